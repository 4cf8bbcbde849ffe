// node worklet.mjs worklet.js tinyface.wasm model.pte: the audio thread's side in a stand-in of its scope, which leaves
// out a fifth of a second in the middle; the frames' numbers and times, as JSON.
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
const before = said.length;
currentFrame += 9600;
play(1);
const frames = said.slice(1).map(({ index, time }) => [index, time]);
console.log(JSON.stringify({ ready: Boolean(said[0].ready), before: before - 1, frames }));
