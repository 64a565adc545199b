import { config, get, now, post, session, signOut } from '../core/api.js';
import { link } from '../core/router.js';
import { useStore } from '../core/store.js';
import { date, language, number, t } from '../core/text.js';
import { Dialog, errorText, toast } from '../core/ui.js';
import { balance, refreshBalance } from '../follow/follow.js';
import { html, useEffect, useRef, useState } from '../vendor/preact.js';

const THEME = 'darkroom.theme';

export function AccountMenu() {
  const [theme, setTheme] = useState(localStorage.getItem(THEME) ?? '');
  const { name } = /** @type {Session} */ (useStore(session));
  const credits = useStore(balance);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  useEffect(() => {
    /** @type {Fn} */
    const changed = ({ key, newValue }) => key === THEME && setTheme(newValue ?? '');
    addEventListener('storage', changed);
    refreshBalance().catch(() => {});
    return () => removeEventListener('storage', changed);
  }, []);
  /** @type {Fn} */
  const choose = ({ target }) => {
    localStorage.setItem(THEME, target.value);
    setTheme(target.value);
  };
  /** @type {Fn} */
  const speak = ({ target }) => {
    localStorage.setItem('darkroom.language', target.value);
    location.reload();
  };
  const text = credits ? t.credits(number(credits.available)) : t.columns.credits;
  // A new element does not count as one that moves.
  return html`<a href="#/credits"><span key=${text}>${text}</span></a>
    <button popovertarget="account" aria-label=${`${t.account}: ${name}`}><span>${name}</span></button>
    <div popover="auto" id="account">
      <p>${name}</p>
      <label>${t.theme}<select value=${theme} onChange=${choose}>
        ${Object.entries(t.themes).map(([value, text]) => html`<option value=${value === 'auto' ? '' : value}>${text}</option>`)}
      </select></label>
      <label>${t.language}<select value=${language} onChange=${speak}>
        <option value="en" lang="en">English</option><option value="zh" lang="zh-Hans">中文</option>
      </select></label>
      <button onClick=${signOut}>${t.signOut}</button>
    </div>`;
}

/** @type {Fn} */
const problem = (error) => html`<p class="danger" role="alert">
  ${errorText(error)} ${error.retryAfter && t.againAt(date(now() + error.retryAfter * 1000))}
</p>`;

/** Read a path and draw the response. `field` is a list that has pages. @type {Load} */
export function useLoad(path, draw, field = '') {
  const [{ data, error, old }, set] = useState(/** @type {Loaded} */ ({}));
  const reading = useRef(/** @type {any} */ (null));
  /** @type {AsyncFn} */
  const read = async (old) => {
    reading.current?.abort();
    reading.current = new AbortController();
    const { signal } = reading.current;
    /** @type {Fn} */
    const keep = (error) => set(({ data }) => ({ data, error, old }));
    keep();
    try {
      const cursor = old && new URLSearchParams({ cursor: old.next_cursor });
      const page = await get(old ? path + (path.includes('?') ? '&' : '?') + cursor : path, signal);
      set({ data: old ? { ...page, [field]: [...old[field], ...page[field]] } : page });
    } catch (error) {
      if (!signal.aborted) keep(error);
    }
  };
  useEffect(() => {
    set({});
    read();
    return () => reading.current.abort();
  }, [path]);
  return html`${data && draw(data, () => read())}
    ${
      error
        ? html`${problem(error)}<button onClick=${() => read(old)}>${t.tryAgain}</button>`
        : data
          ? data.next_cursor && html`<button onClick=${() => read(data)}>${t.loadMore}</button>`
          : html`<p class="muted">${t.loading}</p>`
    }`;
}

/** @param {TableProps} props `columns` is like "at queue.waiting" */
export function Table({ caption, rows, columns, cells = {} }) {
  const names = columns.split(' ');
  /** @type {Fn} */
  const content = (row, name) =>
    row &&
    (cells[name]?.(row) ??
      name.split('.').reduce(/** @type {Fn} */ ((part, key) => part?.[key]), row));
  /** @type {Fn} */
  const kind = (value) => (typeof value === 'number' || value?.[0] === '+' ? 'number' : null);
  /** @type {Fn} */
  const show = (value) =>
    typeof value === 'number'
      ? number(value)
      : /^\d{4}-\d\d-\d\dT/.test(value)
        ? date(value)
        : value;
  return html`<div class="table" role="region" aria-label=${caption} tabindex="0">
    <table>
      <caption>${caption}</caption>
      <tr>${names.map((name) => html`<th scope="col" class=${kind(content(rows[0], name))}>${t.columns[name.replace(/.*\./, '')]}</th>`)}</tr>
      ${rows.map(
        (row) =>
          html`<tr>${names.map((name) => {
            const value = content(row, name);
            return html`<td class=${kind(value)}>${show(value)}</td>`;
          })}</tr>`,
      )}
    </table>
    ${!rows[0] && html`<p class="muted">${t.none}</p>`}
  </div>`;
}

/** @type {Fn} */
export function Act({ label, run, children, ...rest }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  return html`<form class="row" onSubmit=${async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    await Promise.resolve(Object.fromEntries(new FormData(event.target)))
      .then(run)
      .catch(setError);
    setBusy(false);
  }}>
    ${children}<button ...${rest} aria-busy=${busy}>${label}</button>${error && problem(error)}
  </form>`;
}

/** @type {Fn} */
export const Field = ({ label, ...rest }) => html`<label>${label}<input ...${rest} /></label>`;

/** @type {Fn} */
export const Deliveries = ({ rows, path, reload }) =>
  html`<${Table} caption=${t.columns.deliveries} rows=${rows} columns="at status seconds next_at"
      cells=${{ status: ({ status }) => status ?? t.noResponse }} />
    <${Act} label=${t.sendAgain} run=${() =>
      post(path)
        .then(() => toast(t.sentAgain))
        .then(reload)} />`;

/** @type {Fn} */
const change = (name) => (/** @type {any} */ row) =>
  row[name] > 0 ? `+${number(row[name])}` : row[name];

// The history waits for the balance above it, so that nothing moves.
/** @type {Fn} */
export const Credits = ({ path, ...history }) =>
  useLoad(
    path,
    (data) =>
      html`<dl>${Object.entries(t.balance).map(
        ([name, text]) =>
          html`<dt>${t.columns[name]}</dt><dd><b>${number(data[name])}</b> ${text}</dd>`,
      )}</dl><${History} path=${path} ...${history} />`,
  );

/** @type {Fn} */
const History = ({ path, view, more = '' }) =>
  useLoad(
    `${path}/entries`,
    ({ entries }) =>
      html`<${Table} caption=${t.history} rows=${entries} columns=${`created_at kind available held spent job${more}`}
        cells=${{
          kind: ({ kind }) => t.kinds[kind],
          available: change('available'),
          held: change('held'),
          spent: change('spent'),
          job: ({ job_id }) => job_id && html`<a href=${link(...view, job_id)}>${t.show}</a>`,
        }} />`,
    'entries',
  );

export const CreditsPage = () =>
  html`<h1>${t.columns.credits}</h1>
    ${config.buy_credits_url && html`<p><a class="button primary" href=${config.buy_credits_url}>${t.buyCredits}</a></p>`}
    <${Credits} path="/credits" view=${['job']} />`;

export const CallbacksPage = () =>
  html`<h1>${t.callbacks}</h1>
    <p>${t.callbacksMeaning}</p>
    <${Secret} />
    <h2>${t.test}</h2>
    <${Test} />
    ${useLoad(
      '/jobs?limit=20&status=completed&status=failed&status=canceled',
      ({ jobs }) =>
        html`<${Table} caption=${t.endedJobs} rows=${jobs} columns="finished_at job deliveries"
        cells=${{
          job: ({ id, template }) => html`<a href=${link('job', id)}>${template.name}</a>`,
          deliveries: ({ id }) => html`<${Tries} key=${id} path=${`/jobs/${id}`} />`,
        }} />`,
      'jobs',
    )}`;

/** @type {Fn} */
function Tries({ path }) {
  const [open, setOpen] = useState(false);
  return open
    ? html`<${OpenTries} path=${path} />`
    : html`<button onClick=${() => setOpen(true)}>${t.show}</button>`;
}

/** @type {Fn} */
const OpenTries = ({ path }) =>
  useLoad(
    `${path}?include=deliveries`,
    ({ deliveries }, reload) =>
      html`<${Deliveries} rows=${deliveries} path=${`${path}/callback`} reload=${reload} />`,
  );

function Secret() {
  const [secret, setSecret] = useState(/** @type {any} */ (null));
  const [asking, setAsking] = useState(false);
  const rotate = async () => {
    setSecret(await post('/callbacks/secret/rotate'));
    setAsking(false);
    toast(t.rotated);
  };
  return html`<h2>${t.secret}</h2>
    <p>${t.secretMeaning}</p>
    ${secret && html`<p><code>${secret.secret}</code></p>`}
    ${secret?.previous_until && html`<p>${t.previousUntil(date(secret.previous_until))}</p>`}
    <div class="row">
      ${
        secret
          ? html`<button onClick=${() => setSecret(null)}>${t.hide}</button>
              <${Act} label=${t.copy} run=${() => navigator.clipboard.writeText(secret.secret).then(() => toast(t.copied))} />`
          : html`<${Act} label=${t.show} run=${async () => setSecret(await get('/callbacks/secret'))} />`
      }
      <button onClick=${() => setAsking(true)}>${t.rotate}</button>
    </div>
    ${
      asking &&
      html`<${Dialog} title=${t.rotate} onClose=${() => setAsking(false)}>
        <p>${t.rotateMeaning}</p>
        <${Act} label=${t.rotate} class="primary" run=${rotate} />
      <//>`
    }`;
}

function Test() {
  const [result, setResult] = useState('');
  return html`<${Act} label=${t.sendTest} run=${async (fields) => {
    setResult('');
    const { delivered, status } = await post('/callbacks/test', fields);
    setResult(status === null ? t.testNoResponse : t.testResponse(status, delivered));
  }}>
      <${Field} label="URL" name="callback_url" type="url" placeholder="https://…" required />
    <//>
    <p role="status">${result}</p>`;
}
