// node worklet.mjs worklet.js tinyface.wasm model.pte: the audio thread's side in a stand-in of its scope, which leaves
// out a fifth of a second in the middle, after three blocks that are no sound; the frames' numbers and times, as JSON.
import fs from 'node:fs';
import { pathToFileURL } from 'node:url';

const [worklet, wasm, model] = process.argv.slice(2);
const said = [];
let Processor;
globalThis.AudioWorkletProcessor = class {
  port = { postMessage: (what) => said.push(what) };
};
globalThis.registerProcessor = (name, made) => (Processor = made);
globalThis.sampleRate = 48000;
await import(pathToFileURL(worklet));
globalThis.currentFrame = 1280; // the page's clock runs already
const processorOptions = { wasm: fs.readFileSync(wasm), model: fs.readFileSync(model), fps: [60, 1] };
const voice = new Processor({ processorOptions });
const play = (seconds) => {
  for (const end = currentFrame + seconds * sampleRate; currentFrame < end; currentFrame += 128) voice.process([[]]);
};
play(1);
for (let i = 0; i < 3; ++i, currentFrame += 128) voice.process([[new Float32Array(128).fill(i ? NaN : 1e9)]]);
const isFrame = ({ values }) => values;
const before = said.filter(isFrame).length;
currentFrame += 9600;
play(1);
const frames = said.filter(isFrame).map(({ index, time }) => [index, time]);
const told = said.filter(({ error }) => error).map(({ status, failed }) => [status, failed || false]);
console.log(JSON.stringify({ ready: Boolean(said[0].ready), before, frames, told, refused: said.at(-1).refused }));
