// node refusals.mjs tinyface.js: what a page is told to which a browser gives no audio thread, no microphone, or a sound
// device of another rate; in a stand-in of its audio, as JSON.
import { pathToFileURL } from 'node:url';

const contexts = [];
let device = 48000;
let modules = async () => undefined;
globalThis.AudioContext = class {
  state = 'running';
  audioWorklet = { addModule: () => modules() };
  constructor({ sampleRate = device, ...more } = {}) {
    Object.assign(this, { sampleRate, ...more });
    contexts.push(this);
  }
  close() {
    this.state = 'closed';
  }
};
globalThis.AudioWorkletNode = class {
  port = { postMessage() {} };
  constructor({ broken }) {
    if (broken) throw new DOMException("AudioWorklet does not have a node of the name 'tinyface'", 'InvalidStateError');
    const ready = { names: ['jawOpen'], ranges: [[0, 1, 0]], styles: [], info: {}, latency: 0.06, version: '1' };
    setTimeout(() => this.port.onmessage({ data: { ready } }));
  }
  disconnect() {}
};
Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });

const { Tinyface, TinyfaceError } = await import(pathToFileURL(process.argv[2]));
const open = (options) => Tinyface.open(new Uint8Array(4), { wasm: new Uint8Array(4), worklet: 'w.js', ...options });
const words = (work) => work.then(() => 'opened', (error) => `${error instanceof TinyfaceError} ${error.message}`);
const said = {};

const bare = new AudioContext();
delete bare.audioWorklet;
said.thread = await words(open({ context: bare }));
said.microphone = await words((await open()).listen());
said.rate = await words(open({ fps: [29.97, 1] }));
modules = async () => {
  throw new DOMException('Unable to load a worklet\'s module.', 'AbortError');
};
said.module = await words(open());
modules = async () => undefined;
said.node = await words(open({ context: Object.assign(new AudioContext(), { broken: true }) }));
globalThis.fetch = async () => {
  throw new TypeError('Failed to fetch');
};
said.fetch = await words(Tinyface.open('s7.pte', { wasm: new Uint8Array(4) }));

contexts.length = 0;
device = 192000;
said.given = await words(open({ context: new AudioContext() }));
said.own = (await open()).context.sampleRate;
device = 44100;
said.usual = (await open()).context.sampleRate;
said.contexts = contexts.map(({ sampleRate, state }) => [sampleRate, state]);
device = 192000;
const { sampleRate, latencyHint } = Tinyface.context({ latencyHint: 'interactive' });
said.made = [sampleRate, latencyHint];
console.log(JSON.stringify(said));
