// From ARKit's channels to what other heads are called, by name, never by position.
import { OPENING, OVR_OTHER_SPELLING, POSES, VISEMES } from './poses.js';

export { VISEMES };

const RIDGE = 1e-9;

// The x >= 0 that minimises x'Px / 2 - w'x: Lawson and Hanson's active set, as sdk/names/visemes.py.
function nonNegative(products, wanted) {
  const count = wanted.length;
  let x = new Float64Array(count);
  const active = new Array(count).fill(false);
  for (let turn = 0; turn < 3 * count; ++turn) {
    let best = -1, steepest = 1e-10;
    for (let i = 0; i < count; ++i) {
      if (active[i]) continue;
      let slope = wanted[i];
      for (let k = 0; k < count; ++k) slope -= products[i][k] * x[k];
      if (slope > steepest) [best, steepest] = [i, slope];
    }
    if (best < 0) break;
    active[best] = true;
    for (;;) {
      const trial = solve(products, wanted, active);
      let share = 1;
      for (let i = 0; i < count; ++i) {
        if (active[i] && trial[i] <= 0) share = Math.min(share, x[i] / (x[i] - trial[i]) || 0);
      }
      if (share === 1 && !active.some((on, i) => on && trial[i] <= 0)) {
        x = trial;
        break;
      }
      for (let i = 0; i < count; ++i) {
        x[i] += share * (trial[i] - x[i]);
        if (active[i] && x[i] <= 1e-12) [active[i], x[i]] = [false, 0];
      }
      if (!active.includes(true)) break;
    }
  }
  return x;
}

// The equations of the active ones, by Gauss with pivots.
function solve(products, wanted, active) {
  const rows = active.flatMap((on, i) => (on ? [i] : []));
  const m = rows.map((i) => [...rows.map((k) => products[i][k] + (i === k ? RIDGE : 0)), wanted[i]]);
  const n = rows.length;
  for (let c = 0; c < n; ++c) {
    let pivot = c;
    for (let r = c + 1; r < n; ++r) if (Math.abs(m[r][c]) > Math.abs(m[pivot][c])) pivot = r;
    [m[c], m[pivot]] = [m[pivot], m[c]];
    for (let r = 0; r < n; ++r) {
      if (r === c || !m[r][c]) continue;
      const factor = m[r][c] / m[c][c];
      for (let k = c; k <= n; ++k) m[r][k] -= factor * m[c][k];
    }
  }
  const out = new Float64Array(active.length);
  rows.forEach((i, r) => (out[i] = m[r][n] / m[r][r]));
  return out;
}

const problems = new Map();

function problem(poses) {
  const key = poses.join();
  if (!problems.has(key)) {
    const dot = (a, b) => Object.entries(POSES[a]).reduce((sum, [name, v]) => sum + v * (POSES[b][name] || 0), 0);
    problems.set(key, poses.map((a) => poses.map((b) => dot(a, b))));
  }
  return problems.get(key);
}

// get: value of a channel by name. Weights of `poses`, from 0, their sum at most 1.
function shares(get, poses) {
  const products = problem(poses);
  const wanted = poses.map((name) =>
    Object.entries(POSES[name]).reduce((sum, [channel, v]) => sum + v * (get(channel) || 0), 0));
  let found = nonNegative(products, wanted);
  const sum = found.reduce((a, b) => a + b, 0);
  if (sum <= 1) return found;
  const heavy = 100 * Math.max(...products.map((row, i) => row[i]));
  found = nonNegative(products.map((row) => row.map((v) => v + heavy)), wanted.map((v) => v + heavy));
  const total = found.reduce((a, b) => a + b, 0);
  return found.map((v) => v / total);
}

const gap = (get) =>
  Math.max(0, Object.entries(OPENING).reduce((sum, [name, v]) => sum + v * (get(name) || 0), 0));

// Weights of `poses`, those that open the lips so far less that the mouth opens no wider than the frame's.
function asOpen(get, poses) {
  const weights = shares(get, poses);
  const opens = poses.map((pose) => gap((name) => POSES[pose][name]));
  const blended = weights.reduce((sum, v, i) => sum + v * opens[i], 0);
  const share = Math.min(1, gap(get) / Math.max(blended, 1e-6));
  return weights.map((v, i) => (opens[i] > 0 ? v * share : v));
}

/** OVR's 15 visemes of a frame, `{sil, PP, ...}`: not negative, together 1. */
export function visemes(frame) {
  const found = asOpen((name) => frame.get(name), VISEMES.slice(1));
  const out = { sil: Math.max(0, 1 - found.reduce((a, b) => a + b, 0)) };
  VISEMES.slice(1).forEach((name, i) => (out[name] = found[i]));
  return out;
}

/** VRM 1's expressions of a frame: the five vowels and both lids. */
export function expressions(frame) {
  const vowels = ['aa', 'ih', 'ou', 'ee', 'oh'];
  const found = asOpen((name) => frame.get(name), vowels);
  const out = { blinkLeft: frame.get('eyeBlinkLeft') || 0, blinkRight: frame.get('eyeBlinkRight') || 0 };
  vowels.forEach((name, i) => (out[name] = found[i]));
  return out;
}

// What a viseme's target may be called: `viseme_ih` as in OVR's own list, `viseme_I` as most heads have it.
const spellings = (name) => [name, OVR_OTHER_SPELLING[name] || name].map((spelled) => `viseme_${spelled}`);

/**
 * Values onto a three.js mesh (or any object with morphTargetDictionary and morphTargetInfluences), by name. ARKit's
 * names; where none of them is of the mouth, OVR's visemes as `viseme_PP` (`viseme_ih` or `viseme_I`, likewise oh, ou);
 * where there are none either, VRM 1's `aa`, `blinkLeft`. Other names are left alone: returns how many targets it set.
 */
export function drive(mesh, frame) {
  const { morphTargetDictionary: places, morphTargetInfluences: weights } = mesh;
  const put = (value, ...names) => {
    const name = names.find((one) => places[one] !== undefined);
    if (name === undefined) return false;
    weights[places[name]] = value;
    return true;
  };
  const found = frame.names.filter((name) => put(frame.get(name), name));
  if (found.some((name) => /^(jaw|mouth)/.test(name))) return found.length;
  let poses = Object.entries(visemes(frame)).filter(([name, value]) => put(value, ...spellings(name)));
  if (!poses.length) poses = Object.entries(expressions(frame)).filter(([name, value]) => put(value, name));
  return found.length + poses.length;
}

/** For TalkingHead: `voice.onframe = forTalkingHead(head)`; its morph targets follow, its own lip-sync stays away. */
export function forTalkingHead(head) {
  return (frame) => {
    for (const [name, value] of Object.entries(visemes(frame))) {
      const known = spellings(name).find((one) => head.mtAvatar && head.mtAvatar[one]);
      if (known) Object.assign(head.mtAvatar[known], { newvalue: value, needsUpdate: true });
    }
  };
}
