// node closing.mjs tinyface.js: what a voice leaves behind when it is closed, in a stand-in of a page's audio; as JSON.
import { pathToFileURL } from 'node:url';

const contexts = [], streams = [], nodes = [];
let answer = async () => undefined; // the person, asked for the microphone
let broken = '';

globalThis.AudioContext = class {
  state = 'running';
  currentTime = 1;
  audioWorklet = { addModule: async () => undefined };
  constructor() {
    contexts.push(this);
  }
  createMediaStreamSource(mediaStream) {
    if (broken === 'source') throw new Error('another rate');
    return { mediaStream, to: [], connect(node) { this.to.push(node); }, disconnect() { this.to.length = 0; } };
  }
  async close() {
    if (this.state === 'closed') throw new Error('closed twice');
    this.state = 'closed';
  }
};
globalThis.AudioWorkletNode = class {
  constructor() {
    nodes.push(this);
    this.port = { postMessage() {} };
    const ready = { names: ['jawOpen'], ranges: [[0, 1, 0]], styles: [], info: {}, latency: 0.06, version: '1' };
    setTimeout(() => this.port.onmessage({ data: broken === 'model' ? { error: 'no artefact' } : { ready } }));
  }
  connect() {}
  disconnect() {}
};
const getUserMedia = async () => {
  const track = { live: true, stop() { this.live = false; } };
  streams.push(track);
  await answer();
  return { getTracks: () => [track] };
};
Object.defineProperty(globalThis, 'navigator', { value: { mediaDevices: { getUserMedia } }, configurable: true });

const { Tinyface } = await import(pathToFileURL(process.argv[2]));
const open = (options) => Tinyface.open(new Uint8Array(4), { wasm: new Uint8Array(4), ...options });
const frame = (voice, index) => voice.node.port.onmessage(
  { data: { values: Float32Array.of(0.5), index, time: 1 + index / 60 } });
const said = {};

let heard = 0;
let voice = await open();
voice.onframe = () => ++heard;
voice.addEventListener('frame', () => ++heard);
await voice.listen();
frame(voice, 0);
voice.close();
voice.close();
frame(voice, 1); // on its way when the voice was closed
said.own = { microphone: streams[0].live, context: contexts[0].state, heard, count: voice.count };

const context = new AudioContext();
voice = await open({ context });
const given = await voice.listen();
voice.disconnect(given); // the page's from then on
const kept = await voice.listen();
voice.close();
said.shared = { given: streams[1].live, kept: [streams[2].live, kept.to.length], context: context.state };

voice = await open({ context });
answer = async () => voice.close();
said.late = await voice.listen().catch((error) => error.message);
said.late = [said.late, streams[3].live];
answer = async () => undefined;

voice = await open({ context });
broken = 'source';
said.source = [await voice.listen().catch((error) => error.message), streams[4].live];
broken = 'model';
said.model = [await open().catch((error) => error.message), contexts.at(-1).state];
said.given = [await open({ context }).catch((error) => error.message), context.state];
console.log(JSON.stringify(said));
