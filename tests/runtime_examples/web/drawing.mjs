// node drawing.mjs tinyface.js: how far from its sound a mouth that opens evenly is drawn, at any frame rate and beside a
// sound that is heard; in a stand-in of a page's audio, as JSON.
import { pathToFileURL } from 'node:url';

globalThis.AudioWorkletNode = class {
  port = { postMessage() {} };
  connect() {}
  disconnect() {}
};
globalThis.DelayNode = class {
  constructor(context, options) {
    Object.assign(this, options);
  }
  connect(node) {
    return node;
  }
};
const node = () => ({ connect: (to) => to, disconnect() {} });
const { Tinyface } = await import(pathToFileURL(process.argv[2]));

function opened(fps, latency, output = 0, base = 0.01) {
  const context = { currentTime: 0, baseLatency: base, outputLatency: output, destination: {} };
  const voice = new Tinyface(context, null, null, { fps });
  const info = { fps: [50, 1] };
  return voice.begin({ names: ['jawOpen'], ranges: [[0, 100, 0]], styles: [], info, latency, version: '1' });
}

// The value of a frame is its time. A frame comes when its latency is over, pictures sixty times a second.
function drawn(voice, frames, lateS = 0) {
  const unheard = voice.playing ? voice.context.outputLatency : 0;
  let off = 0;
  for (let i = 0, k = 0; i < 360; ++i) {
    const now = (voice.context.currentTime = i / 60);
    for (; k / frames + voice.latency + lateS <= now; ++k) {
      voice.node.port.onmessage({ data: { values: Float32Array.of(k / frames), index: k, time: k / frames } });
    }
    const [value] = voice.draw();
    if (now > 4) off = Math.max(off, Math.abs(value - (now - voice.delay - unheard)));
  }
  return off;
}

const said = { off: {}, delay: {} };
for (const fps of [60, 50, 30, 25, 15, 10, 5, 2, 1]) {
  const voice = opened([fps, 1], 0.064, 0, 0);
  said.off[fps] = drawn(voice, fps, 0.004); // each a little late
  said.delay[fps] = opened([fps, 1], 0.064).delay;
}
said.own = opened(null, 0.064, 0, 0).frameS; // the artefact's
said.echo = opened([1, 1], 0.26).connect(node(), { heard: true }).echo;
let voice = opened([240, 1], 0.26, 0.3);
voice.connect(node(), { heard: true });
said.quick = drawn(voice, 240);

voice = opened([60, 1], 0.064, 0.2);
const [one, other] = [node(), node()];
const behind = () => {
  voice.track.clear();
  for (let k = 0; k < 60; ++k) voice.track.add(k / 60, Float32Array.of(k / 60));
  return 0.95 - voice.draw(0.95)[0] - voice.delay;
};
said.behind = [behind()];
voice.connect(one, { heard: true }).connect(one, { heard: true }).connect(other, { heard: true });
said.behind.push(behind());
voice.disconnect(one);
voice.disconnect(one);
said.behind.push(behind());
voice.disconnect(other);
said.behind.push(behind());
voice.connect(node());
said.behind.push(behind());
console.log(JSON.stringify(said));
