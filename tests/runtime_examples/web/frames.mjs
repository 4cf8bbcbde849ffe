// node frames.mjs core.js tinyface.wasm model.pte audio [style]: the frames of float samples at 44.1 kHz, as JSON; style:
// strengths by name, worn from sample 500 on.
import fs from 'node:fs';
import { pathToFileURL } from 'node:url';

const [coreFile, wasm, model, audio, style] = process.argv.slice(2);
const { Core } = await import(pathToFileURL(coreFile));
const core = new Core(fs.readFileSync(wasm), fs.readFileSync(model), { rateHz: 44100 });
const bytes = fs.readFileSync(audio);
const samples = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const frames = [];
const take = (values, index, sample) => frames.push({ index, sample, values: Array.from(values) });
core.push(samples.subarray(0, 500), take);
let refused = '';
if (style) {
  core.style(JSON.parse(style));
  try {
    core.style({ joy: 1 });
  } catch (error) {
    refused = error.message;
  }
}
const before = core.c.memory.buffer.byteLength;
for (let i = 500; i < samples.length; i += 128) core.push(samples.subarray(i, i + 128), take);
core.finish(take);
console.log(JSON.stringify({ frames, refused, styles: core.styles, grown: core.c.memory.buffer.byteLength - before }));
