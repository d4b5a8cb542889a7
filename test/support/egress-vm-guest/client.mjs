// Node's fetch as any program uses it: `node client.mjs URL [PROXY]` prints the status and the body.
import { createRequire } from 'node:module';

const [url, proxy] = process.argv.slice(2);
const require = createRequire('/usr/share/nodejs/');
const get = async () => {
  if (proxy === undefined) return fetch(url);
  const { ProxyAgent, fetch: throughProxy } = require('undici');
  return throughProxy(url, { dispatcher: new ProxyAgent(proxy) });
};
const response = await get();
console.log(response.status, await response.text());
process.exit(0);
