import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installBrowser } from './browser.js';

installBrowser();
let token = 0;
let signInBroke = false;
/** What holds back the response to a path. */
const held = {};
const sent = [];
globalThis.fetch = async (address, { headers = {} } = {}) => {
  const path = String(address);
  const json = (status, body) =>
    new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
  if (path === '/config.json') return json(200, { api: '', sign_in: { kind: 'local', users: [] } });
  if (path === '/local/token' && signInBroke) throw new TypeError('Failed to fetch');
  if (path === '/local/token') return json(200, { token: `token ${++token}` });
  const used = headers.Authorization;
  sent.push([path, used]);
  const current = `Bearer token ${token}`;
  await held[path];
  return used === current && used !== 'Bearer token 1' ? json(200, {}) : json(401, {});
};
const { get, loadConfig, online, session, signIn } = await import('../../web/core/api.js');
const { loadTexts } = await import('../../web/core/text.js');

test('a late refusal of the old token leads to no second renewal', async () => {
  await loadTexts();
  await loadConfig();
  await signIn('ann');
  let release = () => {};
  held['/slow'] = new Promise((resolve) => {
    release = resolve;
  });

  const slow = get('/slow');
  await get('/fast');
  release();
  await slow;

  assert.equal(token, 2);
  assert.deepEqual(sent, [
    ['/slow', 'Bearer token 1'],
    ['/fast', 'Bearer token 1'],
    ['/fast', 'Bearer token 2'],
    ['/slow', 'Bearer token 2'],
  ]);
});

test('a sign-in that does not respond is retried, and keeps the user signed in', async () => {
  signInBroke = true;
  token += 1;

  await assert.rejects(get('/fast'), { status: 0, retryable: true });
  assert.equal(session.get()?.user, 'ann');
  // Whoever retries at once when the server is there waits instead.
  assert.equal(online.get(), false);
  signInBroke = false;
  assert.deepEqual(await get('/fast'), {});
  assert.equal(online.get(), true);
});
