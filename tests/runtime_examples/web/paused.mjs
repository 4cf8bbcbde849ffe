// node paused.mjs FOLDER: page.js of that folder in a browser that begins with sound at a person's word alone, then takes
// it away, and at last on a page that has no audio thread; as JSON.
import { contexts, element, open, voices, world } from './page.mjs';

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const message = () => element('message').textContent;
globalThis.AudioBufferSourceNode = class {
  started = false;
  start() {
    this.started = true;
  }
  stop() {}
  connect() {}
};
Object.assign(world, { state: 'suspended', mayResume: false, absent: 's7' }); // as Chrome has it before the first click
element('student').value = 's7';
await open();
const { state, play, listen, voiceOf } = window.tinyface;
const [context] = contexts;
const said = { begin: [contexts.length, context.options, context.state, message()] };
Object.assign(world, { mayResume: true, absent: '' });
await voiceOf('s7');

await listen(); // the first thing that is clicked
said.microphone = [context.state, Boolean(state.mic)];
await listen();

element('message').textContent = '';
context.become('interrupted'); // a call comes in, in Safari
said.call = message();
world.mayResume = 'never';
said.during = await listen().catch((error) => error.message);
said.silent = [Boolean(state.mic), context.state];
world.mayResume = false; // something is dropped, which is no click
play();
await wait(400);
said.dropped = [Boolean(state.source), message()];
world.mayResume = true;
document.dispatchEvent(new Event('click')); // anywhere
await wait(10);
said.clicked = [context.state, state.source.started, message()];
context.become('suspended');
element('message').textContent = 's8: is no sound';
context.become('running');
said.again = message();
context.become('closed');
said.closed = [message(), voices.length];
console.log(JSON.stringify(said));
process.exit(0);
