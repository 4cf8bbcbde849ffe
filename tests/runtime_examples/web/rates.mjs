// node rates.mjs core.js rate ...: each frame rate (JSON) as the page's core takes it, or why it does not; as JSON.
import { pathToFileURL } from 'node:url';

const { rateOf, TinyfaceError } = await import(pathToFileURL(process.argv[2]));
const said = process.argv.slice(3).map((rate) => {
  try {
    return rateOf(JSON.parse(rate));
  } catch (error) {
    return `${error instanceof TinyfaceError} ${error.message}`;
  }
});
console.log(JSON.stringify(said));
