import { config, get, request } from '../core/api.js';
import { jobStore, list, readJob } from '../core/jobs.js';
import { go, link } from '../core/router.js';
import { useStore } from '../core/store.js';
import { number, t } from '../core/text.js';
import { errorText } from '../core/ui.js';
import { balance } from '../follow/follow.js';
import { html, useEffect, useMemo, useRef, useState } from '../vendor/preact.js';
import { check, Field, imageIn, isUnsent } from './fields.js';
import { submit } from './submit.js';

/** @type {Template[]} */
let templates = [];
/** Parameters that are not folded. */
const MAIN =
  /^(prompt|.*ratio|size|width|height|resolution|duration|quality|mode|num.*(outputs|images))$/;

/** @type {Record<string, Fn>} */
const KINDS = {
  all: () => true,
  image: ({ category }) => category === 'image',
  video: ({ category }) => category === 'video',
  edit: ({ parameters }) => Object.values(parameters.properties).some(imageIn),
};

/** @type {Fn} */
function exampleOf(code) {
  const jobs = list.get().ids.map((id) => /** @type {any} */ (jobStore(id)?.get()));
  const output = jobs.find((job) => job?.template.code === code && job.outputs[0])?.outputs[0];
  if (output) return output.previews[0]?.url ?? output.thumbnail_url;
  return (
    config.examples.includes(code) && new URL(`../examples/${code}.webp`, import.meta.url).href
  );
}

/** @type {Fn} */
function Cards({ use }) {
  const [kind, setKind] = useState(use ? 'edit' : 'all');
  return html`<h1>${use ? t.useIn : t.make}</h1>
    ${
      !use &&
      html`<div class="row">
      ${Object.keys(KINDS).map((one) => html`<button aria-pressed=${one === kind} onClick=${() => setKind(one)}>${t.templateKinds[one]}</button>`)}
    </div>`
    }
    <div class="cards">
      ${templates.filter(KINDS[kind]).map((template) => {
        const example = exampleOf(template.code);
        return html`<a href=${link('make', template.code) + (use ? `?use=${use}` : '')} key=${template.code}>
          ${example ? html`<img src=${example} alt="" loading="lazy" />` : html`<i class=${template.category}></i>`}
          <b>${template.name}</b>
          <span>${template.description}</span>
          <small class="muted">${t.priceFrom(number(template.credits))} · ${t.seconds(number(template.expected_seconds))}
            ${!template.commercial_use && ` · ${t.notCommercial}`}</small>
        </a>`;
      })}
    </div>`;
}

/** @type {Record<string, Fn>} */
export const PROGRAMS = {
  curl: (url, key, body) => `curl '${url}' \\
  -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' \\
  -H 'Idempotency-Key: ${key}' \\
  --data-raw '${JSON.stringify(body).replaceAll("'", `'\\''`)}'`,
  Python: (url, key, body) => `import os
import requests

response = requests.post(
    "${url}",
    headers={
        "Authorization": f"Bearer {os.environ['TOKEN']}",
        "Idempotency-Key": "${key}",
    },
    json=${JSON.stringify(body, null, 4).replace(/\b(true|false)(?=,?$)/gm, (word) => (word === 'true' ? 'True' : 'False'))},
)
print(response.json())`,
  JavaScript: (url, key, body) => `const response = await fetch('${url}', {
  method: 'POST',
  headers: {
    Authorization: \`Bearer \${process.env.TOKEN}\`,
    'Content-Type': 'application/json',
    'Idempotency-Key': '${key}',
  },
  body: JSON.stringify(${JSON.stringify(body, null, 2)}),
});
console.log(await response.json());`,
};

/** @type {Fn} */
function Code({ id, body }) {
  const [language, setLanguage] = useState('curl');
  const text = PROGRAMS[language](`${config.api || location.origin}/jobs`, id, body);
  return html`<div class="row">
      ${Object.keys(PROGRAMS).map(
        (one) =>
          html`<button type="button" aria-pressed=${one === language} onClick=${() => setLanguage(one)}>${one}</button>`,
      )}
      <button type="button" onClick=${() => navigator.clipboard.writeText(text)}>${t.copy}</button>
    </div>
    <pre class="code" tabindex="0">${text}</pre>`;
}

/** @type {Fn} */
function useQuote(code, parameters, onRefusal) {
  const [quote, setQuote] = useState(/** @type {any} */ ({}));
  useEffect(() => {
    const abort = new AbortController();
    /** @type {Fn} */
    const ask = (seconds) =>
      setTimeout(async () => {
        const options = { body: { parameters }, signal: abort.signal };
        try {
          setQuote((await request('POST', `/templates/${code}/quote`, options)).data);
        } catch (/** @type {any} */ error) {
          if (abort.signal.aborted) return;
          if (error.status === 422) return onRefusal(error.problem.errors);
          const text = error.status === 429 ? t.oldPrice : errorText(error);
          setQuote((/** @type {any} */ old) => ({ ...old, text }));
          if (error.retryable) timer = ask(error.retryAfter ?? 5);
        }
      }, seconds * 1000);
    let timer = parameters ? ask(0.4) : setQuote({});
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [JSON.stringify(parameters)]);
  return quote;
}

/** @type {Fn} */
const block = (event) => event.preventDefault();

/** @type {Fn} */
function Form({ template, query }) {
  const { code, parameters: schema } = template;
  const { properties } = schema;
  const draftKey = `darkroom.draft.${code}`;
  const draft = useMemo(() => JSON.parse(sessionStorage.getItem(draftKey) ?? '{}'), []);
  const [values, setValues] = useState(/** @type {any} */ (draft.values ?? {}));
  const [refused, setRefused] = useState(/** @type {any} */ ({}));
  const [tried, setTried] = useState(false);
  const [tab, setTab] = useState('form');
  const [given, setGiven] = useState(/** @type {any} */ (null));
  const [isSent, setSent] = useState(false);
  const form = useRef(/** @type {any} */ (null));
  const hasOpened = useRef(false);
  /** @type {Fn} */
  const refuse = (errors, next = {}) => {
    for (const { field, message } of errors) {
      const [, name] = /^parameters\.((\w+).*)/.exec(field) ?? [];
      next[name && name.split('.')[0] in properties ? name : 'top'] = message;
    }
    setRefused(next);
  };
  /** @type {Fn} */
  const change = (next) => {
    setValues((/** @type {any} */ old) => ({
      ...old,
      ...(next instanceof Function ? next(old) : next),
    }));
    setRefused({});
  };
  useEffect(() => refuse(draft.errors ?? []), []);
  const isReady = (/** @type {any} */ value) => ![value].flat().some(isUnsent);
  useEffect(() => {
    const kept = Object.entries(values).filter(([, value]) => isReady(value));
    sessionStorage.setItem(draftKey, JSON.stringify({ values: Object.fromEntries(kept) }));
  }, [values]);

  const source = query.get('from') || query.get('use');
  useEffect(() => {
    if (!source) return;
    const [id, index] = source.split('.');
    (async () => {
      // The user may edit at once, so values of a loaded job do not wait.
      const job = ((!index && jobStore(id)) || (await readJob(id))).get();
      if (index) {
        const blob = await (await fetch(job.outputs[index].url)).blob();
        setGiven(new File([blob], `${job.template.code}-${+index + 1}`));
      } else setValues(job.parameters);
      go(link('make', code), true);
    })().catch((error) => setRefused({ top: errorText(error) }));
  }, [source]);

  const { body: parameters, set, wrong, missing } = check(schema, values);
  const body = { template: code, parameters };
  const key = useMemo(() => crypto.randomUUID(), [JSON.stringify(parameters)]);
  const isValid = Object.values(values).every(isReady) && !missing[0] && !Object.keys(wrong)[0];
  const { credits, text } = useQuote(code, isValid && parameters, refuse);
  /** @type {Fn} */
  const send = (event) => {
    block(event);
    setTried(true);
    if (!isValid) setTimeout(() => form.current.querySelector('[aria-invalid=true]')?.focus());
    else if (!isSent) {
      setSent(true);
      submit(body);
    }
  };

  const names = Object.keys(properties);
  const [first] = names.filter((name) => imageIn(properties[name]));
  /** @type {Fn} */
  const isMain = (name) =>
    MAIN.test(name) || schema.required.includes(name) || imageIn(properties[name]);
  /** @type {Fn} */
  const wrongAt = (name) =>
    refused[name] ?? wrong[name] ?? (tried && missing.includes(name) && t.rule('required', 0));
  /** @type {Fn} */
  const field = (
    name,
  ) => html`<${Field} key=${name} ...${{ name, schema, change }} value=${set[name] ?? values[name]}
    disabled=${name in set} wrong=${wrongAt(name)} errors=${refused} first=${name === first} given=${name === first && given} />`;
  const folded = names.filter((name) => !isMain(name));
  // They do not close when the error is corrected.
  hasOpened.current ||= folded.some(wrongAt);
  const lacking = credits - (useStore(balance)?.available ?? NaN);
  return html`<form class="make" ref=${form} noValidate onSubmit=${send} onDragOver=${block} onDrop=${block}>
    <a href=${link('make')}>${t.allTemplates}</a>
    <h1>${template.name}</h1>
    <p>${template.description} ${!template.commercial_use && t.notCommercial}</p>
    <div class="row" role="tablist">
      ${Object.entries({ form: t.form, code: t.code }).map(
        ([name, text]) =>
          html`<button type="button" role="tab" aria-selected=${name === tab} onClick=${() => setTab(name)}>${text}</button>`,
      )}
    </div>
    <div role="tabpanel" aria-label=${t.form} hidden=${tab !== 'form'}>
      ${refused.top && html`<p class="danger" role="alert">${refused.top}</p>`}
      ${names.filter(isMain).map(field)}
      ${
        folded[0] &&
        html`<details open=${hasOpened.current}><summary>${t.more}</summary>${folded.map(field)}</details>`
      }
    </div>
    ${tab === 'code' && html`<div role="tabpanel" aria-label=${t.code}><${Code} id=${key} body=${body} /></div>`}
    <div class="submit row">
      <p aria-live="polite">
        ${credits ? html`<b>${t.credits(number(credits))}</b>` : t.priceFrom(number(template.credits))}${' '}
        ${
          lacking > 0
            ? html`<span class="danger">${t.lacking(number(lacking))}</span> ${config.buy_credits_url && html`<a href=${config.buy_credits_url}>${t.buyCredits}</a>`}`
            : lacking <= 0 && t.remaining(number(-lacking))
        }
        ${text && html`<span class="danger">${text}</span>`}
      </p>
      <button type="button" onClick=${() => {
        setValues({});
        setRefused({});
      }}>${t.reset}</button>
      <button class="primary" disabled=${isSent}>${t.make}</button>
    </div>
  </form>`;
}

/** @param {{args: string[], query: URLSearchParams}} props */
export function MakePage({ args: [code], query }) {
  const [error, setError] = useState('');
  const [, setLoaded] = useState(false);
  const read = () => {
    get('/templates').then(
      (data) => {
        ({ templates } = data);
        setError('');
        setLoaded(true);
      },
      (failure) => setError(errorText(failure)),
    );
  };
  useEffect(read, []);
  const template = templates.find((one) => one.code === code);
  if (error)
    return html`<p role="alert">${error} <button onClick=${read}>${t.tryAgain}</button></p>`;
  if (!templates[0]) return html`<p>${t.loading}</p>`;
  if (!code) return html`<${Cards} use=${query.get('use')} />`;
  return template
    ? html`<${Form} key=${code} ...${{ template, query }} />`
    : html`<p>${t.notFound}</p>`;
}
