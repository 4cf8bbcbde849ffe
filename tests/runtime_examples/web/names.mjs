// node names.mjs names.js: frames as JSON on stdin; visemes, expressions and what meshes get, on stdout.
import fs from 'node:fs';
import { pathToFileURL } from 'node:url';

const { drive, expressions, forTalkingHead, visemes } = await import(pathToFileURL(process.argv[2]));
const { names, rows, spelled } = JSON.parse(fs.readFileSync(0));
const frames = rows.map((row) => ({ names, get: (name) => row[names.indexOf(name)] }));

// three.js' mesh, as far as morph targets go
const mesh = (targets) => ({
  morphTargetDictionary: Object.fromEntries(targets.map((name, i) => [name, i])),
  morphTargetInfluences: targets.map(() => 0),
});
const driven = (targets, frame) => {
  const one = mesh(targets);
  return { set: drive(one, frame), weights: one.morphTargetInfluences };
};
// TalkingHead's avatar: an entry for each morph target, read when its needsUpdate is set
const head = { mtAvatar: Object.fromEntries(['sil', 'PP', 'aa', 'I', 'O', 'U'].map((name) => [`viseme_${name}`, {}])) };
forTalkingHead(head)(frames[0]);
console.log(JSON.stringify({
  visemes: frames.map(visemes), expressions: frames.map(expressions), talking: head.mtAvatar,
  arkit: driven(['mouthClose', 'jawOpen', 'hat'], frames[0]), oculus: driven(['viseme_PP', 'viseme_aa'], frames[0]),
  vrm: driven(['aa', 'blinkLeft'], frames[0]), nothing: driven(['hat'], frames[0]),
  spelled: frames.map((frame) => driven(spelled.map((name) => `viseme_${name}`), frame)),
  lids: driven(['eyeBlinkLeft', 'viseme_PP', 'viseme_U'], frames[0]),
}));
