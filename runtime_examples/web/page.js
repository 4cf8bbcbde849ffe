// The page: a head that says what is heard. Everything it needs comes from the folder it lies in.
import { Core, Tinyface } from './tinyface/tinyface.js';
import { Head } from './head.js';
import { Scope } from './scope.js';
import { Study } from './study.js';

const $ = (id) => document.getElementById(id);
const facts = await (await fetch('facts.json')).json();
const state = { clip: null, voice: null, source: null, mic: null, playing: null, phones: [], gaps: [] };
const study = new Study();
let context, head, scope, level;
let wanted = {}; // the student that was chosen last, and the promise of its voice

const bytes = async (path) => (await fetch(path)).arrayBuffer();
const say = (text) => ($('message').textContent = text || '');
const PAUSED = 'sound is paused: click to go on';

function audio() {
  if (context) return context;
  context = Tinyface.context({ latencyHint: 'interactive' });
  context.onstatechange = paused;
  return context;
}

const isPaused = () => context.state !== 'running' && context.state !== 'closed';

function paused() {
  if (isPaused()) say(PAUSED);
  else if ($('message').textContent === PAUSED) say('');
}

// Browsers begin with sound, and Safari goes on after a call, at a person's word alone: until then this waits and says so.
async function awake() {
  if (!isPaused()) return;
  const patience = setTimeout(paused, 300); // it takes a moment where it is allowed, too
  try {
    await context.resume();
  } catch {
    throw new Error(PAUSED); // a call has the sound
  } finally {
    clearTimeout(patience);
  }
  paused();
}

// A voice of the student that is chosen. Who asked for one that was given up meanwhile gets that of the last choice.
function voiceOf(student = $('student').value) {
  if (wanted.student === student) return wanted.voice;
  const choice = (wanted = { student });
  choice.voice = change(choice).catch((error) => {
    if (wanted === choice) wanted = {}; // asked for again, it is tried again
    throw error;
  });
  return choice.voice;
}

// The new voice comes, the old one goes: unless another was chosen while this one was on its way.
async function change(choice) {
  state.wasm = state.wasm || (await bytes('tinyface/tinyface.wasm'));
  const model = await bytes(`tinyface/${choice.student}.pte`);
  if (wanted !== choice) return wanted.voice || voiceOf();
  const voice = await Tinyface.open(model, { context: audio(), wasm: state.wasm });
  if (wanted !== choice) {
    voice.close();
    return wanted.voice || voiceOf();
  }
  const old = state.voice;
  Object.assign(state, { voice, model, student: choice.student });
  voice.addEventListener('error', ({ error }) => {
    say(error.message);
    if (voice.failed && wanted === choice) wanted = {}; // it is silent for good: chosen again, it is opened anew
  });
  moods(voice.styles);
  knobs();
  if (state.mic) {
    if (old) old.disconnect(state.mic); // it goes on, and is heard by the new one
    voice.connect(state.mic);
  }
  if (old) old.close();
  setTimeout(measure, 50);
  return voice;
}

function knobs() {
  if (!state.voice) return;
  state.voice.strength = Number($('strength').value);
  state.voice.smoothing = Number($('smoothing').value);
  state.voice.style(mood());
}

// Of a student with styles: which of them, and how much.
function moods(styles) {
  const kept = styles.includes($('mood').value) ? $('mood').value : '';
  $('mood').replaceChildren(new Option('neutral', ''), ...styles.map((name) => new Option(name, name)));
  $('mood').value = kept;
  $('moods').hidden = !styles.length;
}

const mood = () => ($('mood').value ? { [$('mood').value]: Number($('amount').value) } : {});

const TOGETHER = 10; // hops: a browser's clock has steps of a tenth of a millisecond, unless it is told otherwise

// CPU of a hop, of the same library on ten seconds of the sound, in this thread; the mean of `together` hops at a time.
function measure(together = TOGETHER) {
  const core = new Core(state.wasm, state.model, { rateHz: 16000 });
  core.style(mood());
  const sound = state.clip && state.clip.sampleRate ? state.clip.getChannelData(0) : new Float32Array(0);
  const hop = new Float32Array(320), times = [];
  for (let k = 0; k < 500; k += together) {
    let spent = -performance.now();
    for (let n = k; n < k + together; ++n) {
      for (let i = 0; i < 320; ++i) hop[i] = sound[(n * 320 + i) * 3] || 0.1 * Math.sin(i * n);
      core.push(hop, () => {});
    }
    spent += performance.now();
    times.push(spent / together);
  }
  const memory = core.c.memory.buffer.byteLength;
  core.close();
  times.splice(0, times.length / 10); // while it is compiled
  times.sort((a, b) => a - b);
  const [p50, p95] = [0.5, 0.95].map((share) => times[Math.floor(share * times.length)]);
  const found = { p50, p95, most: times.at(-1), memory };
  if (together === TOGETHER) state.cpu = found;
  $('cpu').textContent = `${state.cpu.p50.toFixed(2)} / ${state.cpu.p95.toFixed(2)} ms`;
  return found;
}

function stop() {
  if (!state.source) return;
  state.source.onended = null;
  state.source.stop();
  state.voice.disconnect(state.source);
  state.source = null;
  $('play').textContent = state.clip.name ? `Play ${state.clip.name}` : 'Play the sentence';
}

async function play(student) {
  await awake();
  const voice = await voiceOf(student);
  if (state.mic) await listen(); // it would hear the loudspeaker too
  stop();
  state.gaps = [];
  const source = (state.source = new AudioBufferSourceNode(context, { buffer: state.clip }));
  voice.connect(source, { heard: true });
  voice.late = voice.count = 0;
  source.connect(level.analyser);
  state.began = context.currentTime + 0.1;
  source.start(state.began);
  $('play').textContent = 'Stop';
  return new Promise((resolve) => {
    source.onended = () => {
      if (state.source === source) stop();
      resolve();
    };
  });
}

// One at a time: of two microphones that were asked for at once, one would never be switched off.
async function listen() {
  if (state.asking) return;
  state.asking = true;
  try {
    await toggle();
  } finally {
    state.asking = false;
  }
}

async function toggle() {
  if (!state.mic) await awake();
  if (state.mic) {
    state.voice.disconnect(state.mic);
    state.mic.mediaStream.getTracks().forEach((track) => track.stop());
    state.mic = null;
  } else {
    const voice = await voiceOf();
    stop();
    state.mic = await voice.listen();
    state.mic.connect(level.analyser);
    voice.late = voice.count = 0;
  }
  $('mic').setAttribute('aria-pressed', String(Boolean(state.mic)));
}

function meter() {
  const analyser = new AnalyserNode(audio(), { fftSize: 256 });
  const buffer = new Float32Array(256);
  level = { analyser, now: () => {
    analyser.getFloatTimeDomainData(buffer);
    return Math.min(1, 3 * Math.sqrt(buffer.reduce((sum, v) => sum + v * v, 0) / 256));
  } };
}

const pictures = [];

function picture(time) {
  requestAnimationFrame(picture);
  pictures.push(time);
  while (pictures[0] < time - 1000) pictures.shift();
  const { voice } = state;
  let get = () => 0;
  let heard = 0;
  if (voice && voice.track) {
    const values = voice.draw();
    get = (name) => values[voice.places.get(name)];
    heard = context.currentTime - voice.delay;
  }
  if (head) head.turn = Number($('turn').value);
  if (head) head.pose(get).draw();
  const at = heard - (state.began || 0);
  const phone = state.source && !state.clip.name ? facts.phones.find(([, from, to]) => at >= from && at < to) : null;
  const gap = head ? head.gapCm() : NaN;
  if (state.source) state.gaps.push([at, gap, phone ? phone[0] : '']);
  if (state.source || state.mic) scope.add(heard, get, level.now(), phone ? phone[0] : '');
  scope.draw();
  $('pictures').textContent = pictures.length;
  $('gap').textContent = Number.isNaN(gap) ? 'not known' : `${Math.max(0, gap * 10).toFixed(1)} mm`;
  if (!voice || !voice.track) return;
  $('delay').textContent = `${Math.round(voice.delay * 1000)} ms`;
  $('late').textContent = `${voice.late} of ${voice.count}`;
}

async function drop(file) {
  say('');
  try {
    const content = await file.arrayBuffer();
    if (/\.glb$/i.test(file.name)) {
      const canvas = $('head').cloneNode();
      const other = new Head(canvas, content, null); // throws before the one that is there goes
      $('head').replaceWith(canvas);
      head = other;
    } else {
      state.clip = await audio().decodeAudioData(content);
      state.clip.name = file.name;
      await play();
    }
  } catch (error) {
    say(`${file.name}: ${error.message}`);
  }
}

function wire() {
  const run = (work) => () => Promise.resolve(work()).catch((error) => say(error.message));
  const on = (id, event, work) => $(id).addEventListener(event, run(work));
  for (const id of ['student', 'one', 'other']) {
    for (const { name, label } of facts.students) $(id).add(new Option(label, name));
  }
  $('student').value = facts.students.some(({ name }) => name === 's7') ? 's7' : facts.students[0].name;
  $('other').selectedIndex = facts.students.length - 1;
  on('play', 'click', () => (state.source ? stop() : play()));
  on('mic', 'click', listen);
  on('mood', 'change', knobs);
  on('student', 'change', () => (state.source ? play() : voiceOf()));
  on('first', 'click', () => play(study.behind('A', $('one').value, $('other').value)));
  on('second', 'click', () => play(study.behind('B', $('one').value, $('other').value)));
  on('save', 'click', () => study.save());
  on('keep', 'click', () => {
    study.keep(state.clip.name || 'sentence', $('one').value, $('other').value, +$('rateA').value, +$('rateB').value);
    $('kept').textContent = `${study.ratings.length} kept`;
  });
  for (const id of ['wav', 'glb']) on(id, 'change', () => $(id).files[0] && drop($(id).files[0]));
  for (const input of document.querySelectorAll('input[type=range]')) {
    input.addEventListener('input', () => {
      input.nextElementSibling.textContent = Number(input.value);
      knobs();
    });
  }
  for (const event of ['click', 'keydown']) document.addEventListener(event, run(awake)); // a person's word
  for (const event of ['dragover', 'dragleave', 'drop']) { // anywhere: a browser leaves the page for a file beside it
    document.addEventListener(event, (e) => {
      e.preventDefault();
      $('stage').classList.toggle('over', event === 'dragover');
      if (event === 'drop' && e.dataTransfer.files[0]) drop(e.dataTransfer.files[0]);
    });
  }
  document.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || /SELECT|INPUT/.test(e.target.tagName)) return;
    if (e.key === ' ' && /BUTTON|SUMMARY/.test(e.target.tagName)) return; // it presses what has the focus
    const to = { ' ': 'play', m: 'mic', a: 'first', b: 'second' }[e.key];
    const student = facts.students['123'.indexOf(e.key)];
    if (to) $(to).click();
    else if ('123'.includes(e.key) && student) {
      $('student').value = student.name;
      $('student').dispatchEvent(new Event('change'));
    } else if (e.key.startsWith('Arrow')) {
      const by = { ArrowLeft: -0.1, ArrowRight: 0.1 }[e.key];
      if (!by) return;
      $('turn').value = Number($('turn').value) + by;
      $('turn').dispatchEvent(new Event('input'));
    } else return;
    e.preventDefault();
  });
}

wire();
meter();
scope = new Scope($('scope'));
try {
  head = new Head($('head'), await bytes('head.glb'), facts.lips);
} catch (error) {
  say(`${error.message}: curves alone`); // they are worth seeing without
}
state.clip = await context.decodeAudioData(await bytes('sentence.flac'));
$('kept').textContent = `${study.ratings.length} kept`;
requestAnimationFrame(picture);
await voiceOf().catch((error) => say(error.message)); // the page is there all the same: another student may be chosen
// for tests, and for the curious
window.tinyface = { state, facts, study, play, listen, drop, measure, voiceOf, head: () => head, audio };
