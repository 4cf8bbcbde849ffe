// A stand-in of a page around page.js of the folder that is named on the command line, for choices.mjs and paused.mjs.
// Written beside page.js: what it imports.
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

export const voices = [], tracks = [], contexts = [];
// late: a student's model and voice come after so many turns of the page. absent: a student that is not there. state: of
// a new context. mayResume: whether the browser lets sound begin.
export const world = { late: {}, absent: '', state: 'running', mayResume: true };
export const turns = async (count) => {
  for (let i = 0; i < count; ++i) await new Promise((resolve) => setTimeout(resolve));
};
class Voice extends EventTarget {
  styles = [];
  hears = new Set();
  static async open({ name }) {
    const voice = Object.assign(new Voice(), { name });
    voices.push(voice);
    await turns(world.late[name] || 0);
    return voice;
  }
  static context(options) {
    return new AudioContext(options);
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
export const element = (id) => (elements[id] ||= Object.assign(new EventTarget(), {
  add() {}, append() {}, replaceChildren() {}, setAttribute() {}, classList: { toggle() {} },
  value: '', textContent: '', files: [], nextElementSibling: {}, style: {},
}));
globalThis.document = Object.assign(new EventTarget(), { getElementById: element, querySelectorAll: () => [] });
globalThis.window = globalThis;
globalThis.Option = class {};
globalThis.requestAnimationFrame = () => 0;
globalThis.AudioContext = class {
  state = world.state;
  waiting = [];
  constructor(options) {
    this.options = options;
    contexts.push(this);
  }
  decodeAudioData = async () => ({ sampleRate: 48000, getChannelData: () => new Float32Array(48000) });
  resume() {
    if (world.mayResume === 'never') return Promise.reject(new DOMException('not now', 'InvalidStateError'));
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      if (world.mayResume) this.become('running');
    });
  }
  become(state) {
    this.state = state;
    if (state === 'running') this.waiting.splice(0).forEach((resolve) => resolve());
    if (this.onstatechange) this.onstatechange();
  }
};
globalThis.AnalyserNode = class {};
globalThis.fetch = async (address) => {
  const name = path.basename(String(address), '.pte');
  if (name === world.absent) throw new Error(`${name} is not there`);
  return {
    json: async () => ({ students: ['s6', 's7', 's8'].map((name) => ({ name })), phones: [] }),
    arrayBuffer: async () => ({ name }),
  };
};

export const open = () => import(pathToFileURL(path.join(folder, 'page.js')));
