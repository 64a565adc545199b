import { ApiError, post, request } from '../core/api.js';
import { createStore, useStore } from '../core/store.js';
import { t } from '../core/text.js';
import { announce, errorText, Icon, IconButton } from '../core/ui.js';
import { html, useEffect, useRef } from '../vendor/preact.js';

const BYTES_MAX = 80_000_000;
/** By upload id, or by a name until it is given. @type {Map<any, any>} */
const images = new Map();
const changes = createStore({});
/** @type {Fn} */
function update(image, fields) {
  Object.assign(image, fields);
  changes.set({});
}

/** @type {[RegExp, string][]} */
const TYPES = [
  [/^\xff\xd8\xff/, 'jpeg'],
  [/^\x89PNG/, 'png'],
  [/^GIF8/, 'gif'],
  [/^RIFF.{4}WEBP/s, 'webp'],
  [/^.{4}ftypavi/s, 'avif'],
  [/^.{4}ftyp(he|mif1|msf1)/s, 'heic'],
];
const ACCEPT = TYPES.map(([, type]) => `image/${type}`).join();

/** @type {Fn} */
function refusal({ max_side, min_side, aspect_ratio_max }, sides) {
  const [shorter, longer] = [Math.min(...sides), Math.max(...sides)];
  if (longer > aspect_ratio_max * shorter) return t.wrongRatio(aspect_ratio_max);
  return shorter * Math.min(1, max_side / longer) < min_side ? t.tooSmall(min_side) : '';
}

export const isUnsent = (/** @type {any} */ ref) => images.get(ref)?.file;

/** Check an image and draw its preview, if the browser can. @type {AsyncFn} */
async function inspect(image, rules) {
  const { file } = image;
  const head = String.fromCharCode(...new Uint8Array(await file.slice(0, 16).arrayBuffer()));
  const type = TYPES.find(([bytes]) => bytes.test(head))?.[1];
  if (!type || file.size > BYTES_MAX) throw Error(type ? t.tooLarge : t.notImage);
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (bitmap) {
    const { width, height } = bitmap;
    const canvas = document.createElement('canvas');
    const scale = Math.min(1, 160 / Math.max(width, height));
    canvas.width = Math.ceil(width * scale);
    canvas.height = Math.ceil(height * scale);
    canvas.getContext('2d')?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    update(image, { preview: canvas.toDataURL('image/webp') });
    const text = refusal(rules, [width, height]);
    if (text) throw Error(text);
  }
  return `image/${type}`;
}

/** @type {Fn} */
const sendFile = ({ url, fields }, image, signal) =>
  new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open('POST', url);
    sending.upload.onprogress = ({ loaded, total }) => update(image, { progress: loaded / total });
    sending.onloadend = () =>
      sending.status < 300 && sending.status
        ? resolve(0)
        : reject(new ApiError(sending.status, {}, null));
    signal.onabort = () => sending.abort();
    const data = new FormData();
    for (const name in fields) data.append(name, fields[name]);
    data.append('file', image.file);
    sending.send(data);
  });

/** @type {AsyncFn} */
async function upload(ref, rules, set) {
  const image = images.get(ref);
  const abort = new AbortController();
  const { signal } = abort;
  update(image, { abort, error: null, progress: null });
  let content_type;
  try {
    content_type = await inspect(image, rules);
    const body = { content_type, bytes: image.file.size };
    const { data } = await request('POST', '/uploads', { body, signal });
    await sendFile(data, image, signal);
    update(image, { progress: null });
    await post(`/uploads/${data.upload_id}/complete`);
    if (signal.aborted) return;
    images.set(data.upload_id, { name: image.name, preview: image.preview });
    announce(`${image.name}: 100 %`);
    set((/** @type {any[]} */ now) => now.map((one) => (one === ref ? data.upload_id : one)));
  } catch (/** @type {any} */ error) {
    if (signal.aborted) return;
    update(image, { error: errorText(error), retryable: content_type && error.status !== 422 });
    announce(image.error);
  }
}
const abort = (/** @type {any} */ ref) => images.get(ref)?.abort?.abort();

/** @param {ImagesProps} props */
function Images({ id, rules, max, refs, set, errors, first, given, ...rest }) {
  useStore(changes);
  const root = useRef(/** @type {any} */ (null));
  const latest = useRef(refs);
  latest.current = refs;
  const start = (/** @type {any} */ ref) => upload(ref, rules, set);
  /** @type {Fn} */
  const remove = (ref) => {
    abort(ref);
    set((now) => now.filter((one) => one !== ref));
  };
  /** @type {Fn} */
  const add = (files) => {
    if (max === 1) latest.current.forEach(remove);
    const room = max === 1 ? 1 : max - latest.current.length;
    if (files.length > room) announce(t.rule('maxItems', max));
    const added = files.slice(0, room).map((/** @type {any} */ file) => {
      const ref = crypto.randomUUID();
      images.set(ref, { name: file.name, file });
      return ref;
    });
    set((now) => [...now, ...added]);
    added.forEach(start);
  };
  useEffect(() => {
    /** @type {Fn} */
    const paste = ({ clipboardData: { files } }) => {
      const here = document.activeElement?.closest('.images');
      if (files.length && (here ? here === root.current : first)) add([...files]);
    };
    addEventListener('paste', paste);
    return () => removeEventListener('paste', paste);
  });
  useEffect(() => given && add([given]), [given]);
  useEffect(() => () => latest.current.forEach(abort), []);
  /** @type {Fn} */
  const input = (more) =>
    html`<input class="unseen" type="file" accept=${ACCEPT} ...${more}
      onChange=${({ target }) => {
        add([...target.files]);
        target.value = '';
      }} />`;
  return html`<div ref=${root} class="images" onDrop=${(event) => add([...event.dataTransfer.files])}>
    ${refs.map((ref, index) => {
      const image = images.get(ref) ?? {};
      const error = image.error ?? errors(index);
      return html`<div class="row" key=${ref}>
        ${image.preview ? html`<img src=${image.preview} alt="" />` : html`<${Icon} icon="input" />`}
        <div>${image.name}
          ${error && html`<p class="danger">${error}</p>`}
          ${!error && image.file && html`<progress aria-label=${t.uploading} value=${image.progress}></progress>`}
        </div>
        ${image.retryable && html`<button type="button" onClick=${() => start(ref)}>${t.tryAgain}</button>`}
        ${index > 0 && html`<${IconButton} icon="back" label=${t.earlier} onClick=${() => set((now) => now.with(index, now[index - 1]).with(index - 1, now[index]))} />`}
        <${IconButton} icon="close" label=${`${t.remove} ${image.name ?? index + 1}`} onClick=${() => remove(ref)} />
      </div>`;
    })}
    ${
      (max === 1 || refs.length < max) &&
      html`<label class="drop">${t.chooseImage(max)}${input({ id, multiple: max > 1, ...rest })}</label>
      ${
        matchMedia('(pointer:coarse)').matches &&
        html`<label class="button">${t.camera}${input({ capture: 'environment', accept: 'image/*' })}</label>`
      }`
    }
  </div>`;
}

/** Keywords of JSON Schema. @type {Record<string, Fn>} */
const CHECKS = {
  type: (value, limit) => limit !== 'integer' || Number.isInteger(value),
  const: (value, limit) => value === limit,
  enum: (value, limit) => limit.includes(value),
  minimum: (value, limit) => value >= limit,
  maximum: (value, limit) => value <= limit,
  exclusiveMinimum: (value, limit) => value > limit,
  multipleOf: (value, limit) => value % limit === 0,
  maxLength: (value, limit) => [...value].length <= limit,
  'x-max-length-utf16': (value, limit) => value.length <= limit,
  maxItems: (value, limit) => value.length <= limit,
  pattern: (value, limit) => RegExp(limit, 'u').test(value),
  not: (value, limit) => finding(limit, value),
};
/** The first keyword that a value breaks, with its limit. @type {Fn} */
export const finding = (schema, value) =>
  schema
    ? Object.entries(schema).find(([keyword, limit]) => !(CHECKS[keyword]?.(value, limit) ?? true))
    : ['not', {}];

/** @type {Fn} */
const isMet = ({ properties = {}, required = [] }, body) =>
  required.every((/** @type {string} */ name) => name in body) &&
  !Object.keys(properties).some((name) => name in body && finding(properties[name], body[name]));

/** The schema of an image. @type {Fn} */
export const imageIn = (property) =>
  [property, property.items].find((one) => one?.format === 'image');

/** What a form sends, what presets set, and what is wrong. @type {Fn} */
export function check({ properties, required, allOf = [] }, values) {
  /** @type {Record<string, any>[]} */
  const [body, set, wrong] = [{}, {}, {}];
  for (const name in properties) {
    const { type, default: standard } = properties[name];
    const value = /^[in]/.test(type) && values[name] ? Number(values[name]) : values[name];
    // A cleared number has its default, a cleared text does not.
    const isGiven = value?.length !== 0 || (type === 'string' && standard);
    if (value !== undefined && value !== standard && isGiven) body[name] = value;
  }
  for (const rule of allOf) {
    if (rule.then.description || !isMet(rule.if, body)) continue;
    for (const name in rule.then.properties) set[name] = rule.then.properties[name].const;
  }
  for (const name in set) delete body[name];
  for (const name in body) {
    const found = finding(properties[name], body[name]);
    if (found) wrong[name] = t.rule(found[0], found[1]);
  }
  for (const rule of allOf) {
    const [name] = Object.keys(rule.if.properties);
    const { description } = rule.then;
    if (description && isMet(rule.if, body) && !isMet(rule.then, body)) wrong[name] ??= description;
  }
  const missing = required.filter((/** @type {string} */ name) => !(name in body));
  return { body, set, wrong, missing };
}

const SIZES = ['512x512', '768x768', '1024x1024', '768x512', '512x768', '1344x768', '768x1344'];
const RATIO = /^(\d+)[:x](\d+)$/;

/** @type {Fn} */
const Chips = ({ id, options, current, set, disabled }) =>
  html`<div class="row">
    ${options.map((/** @type {any} */ option) => {
      const [, width, height] = RATIO.exec(option) ?? [];
      const side = +width > +height ? 'width' : 'height';
      const shape = { aspectRatio: `${width}/${height}`, [side]: '1em' };
      return html`<label class="chip" key=${option}>
        <input class="unseen" type="radio" name=${id} checked=${option === current} disabled=${disabled} onChange=${() => set(option)} />
        <span class="button">${height && html`<i style=${shape}></i>`}${option}</span></label>`;
    })}
  </div>`;

/** @type {Fn} */
export function Field({ name, schema, value, disabled, wrong, errors, change, ...images }) {
  const property = schema.properties[name];
  const { type, enum: options, minimum, maximum, multipleOf, maxLength, description } = property;
  const limit = property['x-max-length-utf16'];
  const image = imageIn(property);
  const id = `field-${name}`;
  const current = value ?? property.default ?? '';
  const set = (/** @type {any} */ next) => change({ [name]: next });
  const onInput = (/** @type {any} */ { target }) => set(target.value);
  const isGroup = options && (options.length < 6 || RATIO.test(options[1]));
  const shared = { id, disabled, 'aria-invalid': !!wrong, 'aria-describedby': `${id}-help` };
  let control;
  if (image) {
    const isList = type === 'array';
    const setRefs = (/** @type {Fn} */ next) =>
      change((/** @type {any} */ { [name]: old }) => {
        const refs = next([old ?? []].flat());
        return { [name]: isList ? refs : refs[0] };
      });
    control = html`<${Images} ...${shared} ...${images} rules=${image['x-image']} refs=${[value ?? []].flat()}
      max=${isList ? property.maxItems : 1} set=${setRefs} errors=${(index) => errors[`${name}.${index}`]} />`;
  } else if (isGroup) control = html`<${Chips} ...${{ id, options, current, set, disabled }} />`;
  else if (options) {
    control = html`<select ...${shared} onChange=${({ target }) => set(options[target.selectedIndex])}>
      ${options.map((/** @type {any} */ one) => html`<option selected=${one === current}>${one}</option>`)}
    </select>`;
  } else if (type === 'boolean') {
    control = html`<input type="checkbox" ...${shared} checked=${current} onChange=${({ target }) => set(target.checked)} />`;
  } else if (type === 'string') {
    control = html`<textarea ...${shared} rows="3" value=${current} onInput=${onInput}></textarea>
      <small class="muted">${limit ? current.length : [...current].length} / ${limit ?? maxLength}</small>`;
  } else {
    const step = multipleOf ?? (type === 'integer' ? 1 : 'any');
    const number = { min: minimum, max: maximum, step, value: current, onInput };
    control = html`<div class="row">
      ${maximum < 5000 && html`<input type="range" ...${number} aria-label=${name} disabled=${disabled} />`}
      <input type="number" ...${number} ...${shared} />
      ${name === 'seed' && html`<button type="button" onClick=${() => set(Math.floor(Math.random() * maximum))}>${t.surprise}</button>`}
      ${
        name === 'width' &&
        SIZES.filter((size) => !size.split('x').some((side) => finding(property, +side))).map(
          (size) => {
            const [width, height] = size.split('x');
            return html`<button type="button" onClick=${() => change({ width, height })}>${size}</button>`;
          },
        )
      }
    </div>`;
  }
  const title = name.replaceAll('_', ' ');
  return html`<${isGroup ? 'fieldset' : 'div'} class="field" aria-describedby=${isGroup ? `${id}-help` : null}>
    ${isGroup ? html`<legend>${title}</legend>` : html`<label for=${id}>${title}</label>`}${control}
    <div id=${`${id}-help`}>${wrong && html`<p class="danger">${wrong}</p>`}<p class="muted">${description}</p></div>
  <//>`;
}
