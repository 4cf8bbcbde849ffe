// node choices.mjs FOLDER: page.js of that folder, whose student is changed twice while the first is on its way, in a
// stand-in of a page; which voice it has in the end, and which were left open, as JSON. Written beside it: what it imports.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
const write = (name, text) => {
  fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
  fs.writeFileSync(path.join(folder, name), text);
};
write('head.js', 'export class Head { pose() { return { draw() {} }; } gapCm() { return 0; } }');
write('scope.js', 'export class Scope { draw() {} add() {} }');
write('study.js', 'export class Study { ratings = []; }');
write('tinyface/tinyface.js', 'export const { Core, Tinyface } = globalThis.made;');

const voices = [], tracks = [];
let late = {}; // a student's model and voice come after so many turns of the page
let absent = '';
const turns = async (count) => {
  for (let i = 0; i < count; ++i) await new Promise((resolve) => setTimeout(resolve));
};
class Voice extends EventTarget {
  styles = [];
  hears = new Set();
  static async open({ name }) {
    const voice = Object.assign(new Voice(), { name });
    voices.push(voice);
    await turns(late[name] || 0);
    return voice;
  }
  style() {}
  connect(node) {
    this.hears.add(node);
  }
  disconnect(node) {
    this.hears.delete(node);
  }
  async listen() {
    const track = { live: true, stop() { this.live = false; } };
    tracks.push(track);
    await turns(3);
    const node = { connect() {}, mediaStream: { getTracks: () => [track] } };
    this.connect(node);
    return node;
  }
  close() {
    this.closed = true;
  }
}
class Core {
  style() {}
  push() {}
  close() {}
  c = { memory: { buffer: new ArrayBuffer(1) } };
}
globalThis.made = { Tinyface: Voice, Core };
const elements = {};
const element = (id) => (elements[id] ||= Object.assign(new EventTarget(), {
  add() {}, append() {}, replaceChildren() {}, setAttribute() {}, classList: { toggle() {} },
  value: '', files: [], nextElementSibling: {}, style: {},
}));
globalThis.document = Object.assign(new EventTarget(), { getElementById: element, querySelectorAll: () => [] });
globalThis.window = globalThis;
globalThis.Option = class {};
globalThis.requestAnimationFrame = () => 0;
globalThis.AudioContext = class {
  state = 'running';
  decodeAudioData = async () => ({ sampleRate: 48000, getChannelData: () => new Float32Array(48000) });
};
globalThis.AnalyserNode = class {};
globalThis.fetch = async (address) => {
  const name = path.basename(String(address), '.pte');
  if (name === absent) throw new Error(`${name} is not there`);
  return {
    json: async () => ({ students: ['s6', 's7', 's8'].map((name) => ({ name })), phones: [] }),
    arrayBuffer: async () => ({ name }),
  };
};

await import(pathToFileURL(path.join(folder, 'page.js')));
const { state, voiceOf, listen } = window.tinyface;
const choose = (name) => {
  element('student').value = name;
  return voiceOf(name);
};
const open = () => voices.filter(({ closed }) => !closed).map(({ name }) => name);
const said = { first: [state.voice.name, state.student, open()] };

late = { s6: 20, s8: 2 }; // the one that is chosen first comes last
const got = await Promise.all([choose('s6'), choose('s8'), choose('s8')]);
await turns(40);
said.raced = [state.voice.name, state.student, open(), got.map(({ name }) => name)];

await Promise.all([listen(), listen()]);
const { mic } = state;
await choose('s7');
said.microphone = [tracks.length, tracks[0].live, open(), state.voice.hears.has(mic)];

absent = 's6';
said.failed = await choose('s6').catch((error) => error.message);
said.kept = [state.voice.name, open()];
absent = '';
await choose('s6');
said.again = [state.voice.name, state.student, open()];
console.log(JSON.stringify(said));
process.exit(0);
