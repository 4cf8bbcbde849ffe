// node choices.mjs FOLDER: page.js of that folder, whose student is changed twice while the first is on its way, and whose
// voice fails; which voice it has in the end, and which were left open, as JSON.
import { element, open, tracks, turns, voices, world } from './page.mjs';

await open();
const { state, voiceOf, listen } = window.tinyface;
const choose = (name) => {
  element('student').value = name;
  return voiceOf(name);
};
const left = () => voices.filter(({ closed }) => !closed).map(({ name }) => name);
const said = { first: [state.voice.name, state.student, left()] };

world.late = { s6: 20, s8: 2 }; // the one that is chosen first comes last
const got = await Promise.all([choose('s6'), choose('s8'), choose('s8')]);
await turns(40);
said.raced = [state.voice.name, state.student, left(), got.map(({ name }) => name)];

await Promise.all([listen(), listen()]);
const { mic } = state;
await choose('s7');
said.microphone = [tracks.length, tracks[0].live, left(), state.voice.hears.has(mic)];

world.absent = 's6';
said.failed = await choose('s6').catch((error) => error.message);
said.kept = [state.voice.name, left()];
world.absent = '';
await choose('s6');
said.again = [state.voice.name, state.student, left()];

// a voice that has failed is silent for good; one that tells of something else plays on
const tell = (voice, message) => voice.dispatchEvent(Object.assign(new Event('error'), { error: new Error(message) }));
const dead = state.voice;
tell(dead, 'samples hold NaN');
said.on = [(await choose('s6')) === dead, element('message').textContent];
dead.failed = true;
tell(dead, 'the library ended');
said.dead = [element('message').textContent, (await choose('s6')) === dead, state.voice.name, left()];
console.log(JSON.stringify(said));
process.exit(0);
