// node refusing.mjs FOLDER: worklet.js of that folder, on a stand-in of the library, which takes half a block at a time and
// nothing that is no sound; what is told of such blocks and of another failure, and when frames come, as JSON.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
fs.writeFileSync(path.join(folder, 'core.js'), `
export const STATUS = { BAD_AUDIO: -4 };
export class Core {
  names = ['jawOpen']; ranges = [[0, 1, 0]]; styles = []; info = {}; latency = 0.06; version = '1'; heard = 0;
  push(samples, onframe) {
    for (this.pushed = 0; this.pushed < samples.length; this.pushed += 64) {
      const half = samples.subarray(this.pushed, this.pushed + 64);
      const bad = half.some((value) => !(Math.abs(value) <= 100));
      if (bad) throw Object.assign(new Error('samples hold NaN'), { status: -4 });
      if (half[0] === 0.25) throw Object.assign(new Error('there is not enough memory'), { status: -12 });
      this.heard += half.length;
      if (this.heard % 128 === 0) onframe(Float32Array.of(half[63]), this.heard / 128 - 1, this.heard - 128);
    }
  }
}`);
const said = [];
let Processor;
globalThis.AudioWorkletProcessor = class {
  port = { postMessage: (what) => said.push(what) };
};
globalThis.registerProcessor = (name, made) => (Processor = made);
globalThis.sampleRate = 16000;
globalThis.currentFrame = 0;
await import(pathToFileURL(path.join(folder, 'worklet.js')));
const voice = new Processor({ processorOptions: {} });
const play = (value, at = 0) => {
  const block = new Float32Array(128).fill(0.5);
  block.fill(value, at);
  const goesOn = voice.process([[block]]);
  currentFrame += 128;
  return goesOn;
};
const values = [];
// the third block is no sound from its second half on, the fourth from its begin on, the sixth for one sample
for (const [value, at] of [[1], [1], [NaN, 64], [Infinity], [1], [1e9, 127], [1], [1]]) values.push(play(value, at));
const told = said.filter(({ error }) => error);
const frames = said.filter(({ values }) => values);
voice.process([[new Float32Array(128).fill(0.25)]]);
console.log(JSON.stringify({
  goesOn: values.every(Boolean), told, refused: frames.map(({ refused }) => refused),
  frames: frames.map(({ values: [value], index, time }) => [value, index, time * 16000]),
  last: said.at(-1), over: !play(1),
}));
