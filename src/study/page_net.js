/* page_net.js: requests to the rater's own paths, and trying again until one is answered. */

/* A reply that trying again would not change. `body` is the server's JSON, or {}. */
export class Refused extends Error {
  constructor(status, body) {
    super(body.error || `the server answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

const first_wait = 500, longest_wait = 10000; // ms

/* One attempt. Resolves to the reply's JSON (null where there is none); throws Refused, or any other Error for what may pass: no
 * connection, a time-out, a server that is overloaded or restarting, a reply that is cut short. */
export async function once(path, body, timeout = 20000) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeout);
  try {
    const reply = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store', credentials: 'same-origin', signal: abort.signal,
    });
    if (reply.status === 204) return null;
    if (reply.status >= 500 || reply.status === 429 || reply.status === 408) {
      const passing = new Error(`the server answered ${reply.status}`);
      passing.wait = 1000 * Number(reply.headers.get('Retry-After')) || 0;
      throw passing;
    }
    if (!reply.ok) throw new Refused(reply.status, await reply.json().catch(() => ({})));
    return await reply.json();
  } finally {
    clearTimeout(timer);
  }
}

/* Sleeps, but no longer than until the browser says that the connection is back. */
function sleep(ms) {
  return new Promise((resolve) => {
    const wake = () => { clearTimeout(timer); removeEventListener('online', wake); resolve(); };
    const timer = setTimeout(wake, ms);
    addEventListener('online', wake);
  });
}

/* As `once`, again and again with growing waits until there is a reply. `failed(n)` is called after the n-th failure; when `wanted`, called
 * before each attempt, says no, the result is undefined. */
export async function until_answered(path, body, { timeout, failed = () => {}, wanted = () => true } = {}) {
  for (let n = 0, wait = first_wait; ; wait = Math.min(2 * wait, longest_wait)) {
    if (!wanted()) return undefined;
    try {
      return await once(path, body, timeout);
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (!wanted()) return undefined;
      failed(++n);
      await sleep(Math.max(wait * (0.75 + 0.5 * Math.random()), Math.min(error.wait || 0, 60000)));
    }
  }
}
