import { createStore } from './store.js';

/** @type {Config} */
export let config;
/** @type {Store<Session | null>} */
export const session = createStore(null);
/** Whether the last request reached the server. */
export const online = createStore(true);
/** Why the sign-in page sent the user back. */
export let refusal = '';
/** @type {typeof import('./oidc.js') | undefined} */
let oidc;
/** @type {Promise<boolean> | undefined} */
let renewing;
let clockSkewMs = 0;
const KEY = 'darkroom.user';

/** The server's time in milliseconds. */
export const now = () => Date.now() + clockSkewMs;

/** A refusal of the API. `status` is 0 if the server did not respond. */
export class ApiError extends Error {
  /** @param {number} status @param {Partial<Problem>} [problem] @param {number | null} [retryAfter] seconds */
  constructor(status, problem = {}, retryAfter) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
    this.retryable = !status || status === 429 || problem.retryable || status >= 502;
  }
}

export async function loadConfig() {
  const response = await fetch('/config.json', { cache: 'no-store' });
  if (!response.ok) throw new ApiError(response.status);
  config = await response.json();
}

/** Send a request with the user's token. A problem is thrown as an ApiError. @type {SendRequest} */
export async function request(method, path, options = {}) {
  const used = session.get();
  let response = await send(method, path, options);
  // Another request may have got a new token meanwhile.
  const isNew = () => (session.get() ?? used) !== used;
  if (response.status === 401 && (isNew() || (await renew())))
    response = await send(method, path, options);
  return read(response);
}

/** @param {Response} response @returns {Promise<ApiResponse>} */
async function read(response) {
  const { status, headers } = response;
  const json = headers.get('Content-Type')?.includes('json');
  const data = json ? await response.json().catch(() => ({})) : null;
  if (status >= 400)
    throw new ApiError(status, data ?? {}, Number(headers.get('Retry-After')) || null);
  return { status, data, headers };
}

/** @param {string} method @param {string} path @param {RequestOptions} options */
async function send(method, path, { body, headers, signal, cache }) {
  const sentMs = Date.now();
  try {
    const response = await fetch(config.api + path, {
      method,
      // A connection that broke during sleep never responds.
      signal: signal ?? AbortSignal.timeout(30_000),
      cache,
      body: JSON.stringify(body),
      headers: {
        Authorization: `Bearer ${session.get()?.token}`,
        ...(body && { 'Content-Type': 'application/json' }),
        ...headers,
      },
    });
    const skewMs = Date.parse(response.headers.get('Date') ?? '') - sentMs;
    // The header has whole seconds, so a smaller difference is noise.
    if (Math.abs(skewMs) > 2000) clockSkewMs = skewMs;
    if (response.status !== 401) online.set(true);
    return response;
  } catch (error) {
    if (signal?.aborted) throw error;
    online.set(false);
    throw new ApiError(0);
  }
}

/** @param {string} path @param {AbortSignal} [signal] */
export const get = async (path, signal) => (await request('GET', path, { signal })).data;

/** @param {string} path */
export const post = async (path, body = {}) => (await request('POST', path, { body })).data;

export async function startSession() {
  if (config.sign_in.kind === 'oidc') {
    oidc = await import('./oidc.js');
    try {
      session.set(await oidc.start(config.sign_in));
    } catch (/** @type {any} */ error) {
      refusal = error.message;
    }
  } else {
    const user = localStorage.getItem(KEY);
    if (user) await signIn(user).catch(() => {});
    // Another tab signed in as another user, or out.
    addEventListener('storage', (event) => event.key === KEY && location.reload());
  }
}

/** Sign in as a user of the local stack, or at the sign-in page. */
export async function signIn(user = '') {
  if (config.sign_in.kind === 'oidc') return oidc?.signIn();
  const admin = user === config.sign_in.admin;
  const body = { user, groups: admin ? ['admin'] : [] };
  const { data } = await read(await send('POST', '/local/token', { body }));
  localStorage.setItem(KEY, user);
  session.set({ user, name: user, token: data.token, admin });
}

export async function signOut() {
  localStorage.removeItem(KEY);
  if (oidc) await oidc.signOut();
  else location.reload();
}

/** Get a new token after a 401. Returns false if the user must sign in again. Throws an ApiError with status 0
 * if the sign-in server did not respond. */
export function renew() {
  renewing ??= (async () => {
    try {
      if (oidc) session.set(await oidc.renew());
      else await signIn(session.get()?.user);
      online.set(true);
      return session.get() !== null;
    } catch {
      online.set(false);
      throw new ApiError(0);
    } finally {
      renewing = undefined;
    }
  })();
  return renewing;
}
