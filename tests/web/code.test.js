import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { installBrowser } from './browser.js';

const run = promisify(execFile);
installBrowser();
const { PROGRAMS } = await import('../../web/make/make.js');

const BODY = {
  template: 'flux-schnell',
  parameters: {
    prompt: `It's "new" \\ \\n \n\t$HOME \`id\` !! %s \${x} 😀 \u2028 'true', "null" {} @file`,
    ends: 'true',
    flags: [true, false],
    number: 0.5,
    images: ['a', "b'c"],
    negative: 'true,\nfalse,',
    lone: '\ud83d',
  },
};
const COMMANDS = {
  curl: (text) => ['sh', ['-c', text]],
  Python: (text) => [process.env.PYTHON ?? 'python3', ['-c', text]],
  JavaScript: (text) => [process.execPath, ['--input-type=module', '-e', text]],
};
let url;
const received = [];
const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    received.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
    response.setHeader('Content-Type', 'application/json');
    response.end('{}');
  });
});
before(async () => {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${server.address().port}/jobs`;
});
after(() => server.close());

for (const [name, command] of Object.entries(COMMANDS)) {
  test(`the ${name} program sends the body, the key and the token`, async () => {
    received.length = 0;
    const [program, options] = command(PROGRAMS[name](url, 'key-1', BODY));
    await run(program, options, { env: { ...process.env, TOKEN: 'a.b-c' } });

    const [{ headers, body }] = received;
    assert.deepEqual(JSON.parse(body), BODY);
    if (name !== 'Python') assert.equal(body, JSON.stringify(BODY));
    assert.equal(headers.authorization, 'Bearer a.b-c');
    assert.equal(headers['idempotency-key'], 'key-1');
    assert.equal(headers['content-type'], 'application/json');
  });
}
