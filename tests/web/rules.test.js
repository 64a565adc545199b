import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { installBrowser } from './browser.js';

installBrowser();
const { loadMoreTexts } = await import('../../web/core/text.js');
await loadMoreTexts();
const { check, finding, imageIn } = await import('../../web/make/fields.js');

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const UPLOAD = '01999999-aaaa-7bbb-8ccc-dddddddddddd';
/** Keywords that a form shows or that a server alone checks. */
const SHOWN = ['description', 'default', 'format', 'x-image', 'items', 'minItems'];

/** Run Python with the repository's modules. The program reads JSON and writes JSON. */
function python(program, input) {
  const env = { PYTHONPATH: `${ROOT}shared`, ...process.env };
  const options = { env, input: JSON.stringify(input ?? null) };
  const text = execFileSync(process.env.PYTHON ?? 'python3', ['-c', program], options);
  return JSON.parse(text.toString());
}

const SCHEMAS = python(`
import json
from darkroom.catalog import templates
schemas = {code: each.schema(prompt_characters_max=4000) for code, each in templates().items()}
print(json.dumps(schemas))
`);

/** The values that a user has to fill in. */
function sample(schema) {
  const values = {};
  for (const name of schema.required) {
    const property = schema.properties[name];
    if (property.enum) values[name] = property.enum[0];
    else if (!imageIn(property)) values[name] = 'A lighthouse at dawn';
    else values[name] = property.type === 'array' ? [UPLOAD] : UPLOAD;
  }
  return values;
}

test('the form knows every keyword of the catalog', () => {
  const used = new Set();
  const walk = (property) => {
    for (const [keyword, value] of Object.entries(property)) {
      used.add(keyword);
      if (keyword === 'items' || keyword === 'not') walk(value);
    }
  };
  for (const { properties, allOf = [], ...rest } of Object.values(SCHEMAS)) {
    assert.deepEqual(Object.keys(rest).sort(), [
      '$schema',
      'additionalProperties',
      'required',
      'type',
    ]);
    Object.values(properties).forEach(walk);
    for (const { if: condition, then, ...others } of allOf) {
      assert.deepEqual(others, {});
      for (const part of [condition, then]) {
        const { properties: limits = {}, required: _, description: __, ...unknown } = part;
        assert.deepEqual(unknown, {});
        for (const limit of Object.values(limits)) if (limit) walk(limit);
      }
    }
  }
  const known = ['type', 'const', 'enum', 'minimum', 'maximum', 'exclusiveMinimum', 'multipleOf'];
  known.push('maxLength', 'x-max-length-utf16', 'maxItems', 'pattern', 'not', ...SHOWN);
  assert.deepEqual(
    [...used].filter((keyword) => !known.includes(keyword)),
    [],
  );
});

test('the server accepts the default body of every template', () => {
  const bodies = Object.entries(SCHEMAS).map(([code, schema]) => {
    const { body, wrong, missing } = check(schema, sample(schema));
    assert.deepEqual([wrong, missing], [{}, []], code);
    return [code, body];
  });
  const accepted = python(
    `
import json, sys
from darkroom.catalog import template
from darkroom.domain.parameters import check_parameters
bodies = json.load(sys.stdin)
for code, body in bodies:
    check_parameters(template(code), body, prompt_characters_max=4000)
print(len(bodies))
`,
    bodies,
  );
  assert.equal(accepted, Object.keys(SCHEMAS).length);
  assert.ok(accepted >= 33);
});

test('the form and the server agree about every value of a choice', () => {
  const tried = [];
  for (const [code, schema] of Object.entries(SCHEMAS)) {
    for (const [name, property] of Object.entries(schema.properties)) {
      const { minimum, maximum } = property;
      const values =
        property.enum ?? (minimum === undefined ? [] : [minimum, maximum, maximum + 1]);
      for (const value of imageIn(property) ? [UPLOAD] : values) {
        const filled = property.type === 'array' ? [value] : value;
        const { body, wrong, missing } = check(schema, { ...sample(schema), [name]: filled });
        tried.push([code, body, !Object.keys(wrong).length && !missing.length]);
      }
    }
  }
  const server = python(
    `
import json, sys
from darkroom.catalog import template
from darkroom.domain.errors import InvalidRequest
from darkroom.domain.parameters import check_parameters
found = []
for code, body, _ in json.load(sys.stdin):
    try:
        check_parameters(template(code), body, prompt_characters_max=4000)
    except InvalidRequest as error:
        found.append([str(each.field) for each in error.errors])
    else:
        found.append(True)
print(json.dumps(found))
`,
    tried,
  );
  assert.ok(tried.length > 500);
  for (const [number, [code, body, accepted]] of tried.entries()) {
    const checked = server[number];
    assert.equal(accepted, checked === true, `${code} ${JSON.stringify(body)} ${checked}`);
  }
  assert.ok(tried.some(([, , accepted]) => !accepted));
});

test('defaults, empty fields and values of presets are not sent', () => {
  const schema = SCHEMAS['flux-schnell'];
  const values = { prompt: 'x', seed: '', num_outputs: 1, go_fast: true, output_quality: 70 };

  assert.deepEqual(check(schema, values).body, { prompt: 'x', output_quality: 70 });
  const high = check(schema, { ...values, quality: 'high' });
  assert.deepEqual(high.body, { prompt: 'x', quality: 'high' });
  assert.deepEqual(high.set, { go_fast: false, output_quality: 100 });
});

test('a cleared text is sent if it has a default, and a cleared number is not', () => {
  const values = { prompt: 'x', negative_prompt: '', steps: '', width: '768' };

  assert.deepEqual(check(SCHEMAS['sd-webui'], values).body, {
    prompt: 'x',
    negative_prompt: '',
    width: 768,
  });
});

test('a broken rule is shown at the field that it is about', () => {
  const { wrong } = check(SCHEMAS['flux-1.1-pro'], { prompt: 'x', width: '512' });
  assert.match(wrong.width, /aspect_ratio custom/);
  assert.match(check(SCHEMAS.sdxl, { prompt: 'x', mask: UPLOAD }).wrong.mask, /image/);
});

test('numbers and lengths have limits', () => {
  const wrong = (values) => check(SCHEMAS['sd-webui'], { prompt: 'x', ...values }).wrong;

  assert.equal(wrong({ width: '2056' }).width, 'The maximum is 2048.');
  assert.equal(wrong({ width: '60' }).width, 'The minimum is 64.');
  assert.equal(wrong({ width: '65' }).width, 'Must be a multiple of 8.');
  assert.equal(wrong({ steps: '1.5' }).steps, 'Must be a whole number.');
  assert.equal(wrong({ prompt: ' \n' }).prompt, 'Must not be empty.');
  assert.equal(wrong({ prompt: '😀'.repeat(4000) }).prompt, undefined);
  assert.match(wrong({ prompt: '😀'.repeat(4001) }).prompt, /4000/);
  const utf16 = SCHEMAS['runway-gen4.5'].properties.prompt;
  assert.equal(finding(utf16, '😀'.repeat(500)), undefined);
  assert.equal(finding(utf16, '😀'.repeat(501))[0], 'x-max-length-utf16');
});
