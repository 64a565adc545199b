import { config, loadConfig, online, refusal, session, signIn, startSession } from './core/api.js';
import { filters, list, loadMoreJobs, setFilters } from './core/jobs.js';
import { link, route } from './core/router.js';
import { useStore } from './core/store.js';
import { language, loadTexts, t } from './core/text.js';
import { errorText, Lazy, Messages } from './core/ui.js';
import { html, render, useLayoutEffect, useState } from './vendor/preact.js';

/** Views by the first part of the address. @type {Record<string, any>} */
const VIEWS = {
  make: { load: () => import('./make/make.js'), name: 'MakePage' },
  credits: { load: () => import('./pages/pages.js'), name: 'CreditsPage' },
  callbacks: { load: () => import('./pages/pages.js'), name: 'CallbacksPage' },
  manage: { load: () => import('./pages/manage.js'), name: 'ManagePage' },
};
/** Views above the grid, which stays mounted. @type {Record<string, any>} */
const OVERLAYS = {
  job: { load: () => import('./view/viewer.js'), name: 'Viewer' },
  compare: { load: () => import('./view/viewer.js'), name: 'Compare' },
};

function App() {
  const { name, args, query } = useStore(route);
  const user = useStore(session);
  const isOnline = useStore(online);
  if (!user) return html`<${SignIn} />`;
  const show = (/** @type {any} */ view) => html`<${Lazy} ...${view} props=${{ args, query }} />`;
  const view = VIEWS[name];
  const overlay = OVERLAYS[name];
  const tab = (/** @type {string} */ to, /** @type {string} */ text) =>
    html`<a href=${link(to)} aria-current=${name === to ? 'page' : null}>${text}</a>`;
  return html`<a class="skip" href="#main" onClick=${focusMain}>${t.skip}</a>
    <header class="bar">
      <a class="brand" href="#/"><img src=${new URL('icon.svg', import.meta.url).href} alt="" width="24" height="24" />Darkroom</a>
      <nav>${tab('', t.gallery)}${tab('make', t.make)}${tab('callbacks', t.callbacks)}${user.admin && tab('manage', t.manage)}</nav>
      <div class="account"><${Lazy} load=${() => import('./pages/pages.js')} name="AccountMenu" /></div>
    </header>
    ${!isOnline && html`<p class="banner" role="alert">${t.offline}</p>`}
    <main id="main" tabindex="-1">
      ${view ? show(view) : name === '' || overlay ? html`<${Grid} />` : html`<h1>${t.notFound}</h1>`}
    </main>
    ${overlay && show(overlay)}
    <${Messages} />`;
}

/** @param {Event} event */
function focusMain(event) {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function SignIn() {
  const [error, setError] = useState(refusal && t.signInFailed(refusal));
  const enter = (/** @type {string} */ user) =>
    signIn(user).catch((failure) => setError(errorText(failure)));
  const local = config.sign_in.kind === 'local' && config.sign_in;
  return html`<main class="sign-in" id="main">
    <h1>Darkroom</h1>
    ${
      local
        ? html`<p>${t.localOnly}</p>
            <h2>${t.signInAs}</h2>
            <div class="users">
              ${local.users.map((user) => html`<button onClick=${() => enter(user)}>${user}</button>`)}
            </div>
            <form onSubmit=${(event) => {
              event.preventDefault();
              enter(event.target.user.value.trim());
            }}>
              <label>${t.otherUser}
                <input name="user" maxlength="64" autocomplete="username" required /></label>
              <button>${t.signIn}</button>
            </form>`
        : html`<button class="primary" onClick=${() => enter('')}>${t.signIn}</button>`
    }
    ${error && html`<p role="alert">${error}</p>`}
  </main>`;
}

/** It stays while a view above the grid is open. */
let query = new URLSearchParams();

/** The start of a day as a time, some days later. @type {Fn} */
function time(day, later) {
  const value = new Date(`${day}T00:00`);
  value.setDate(value.getDate() + later);
  return value.getTime() ? value.toISOString() : '';
}

function Grid() {
  const view = useStore(route);
  if (!view.name) query = view.query;
  const search = `${query}`;
  useLayoutEffect(() => {
    const asked = {
      status: query.get('status')?.split(',') ?? [],
      template: query.get('template') ?? '',
      created_after: time(query.get('from'), 0),
      created_before: time(query.get('to'), 1),
    };
    if (JSON.stringify(asked) === JSON.stringify(filters.get())) {
      if (!list.get().ids.length) loadMoreJobs();
    } else {
      scrollTo(0, 0);
      setFilters(asked);
    }
  }, [search]);
  // The wall is loaded beside the first page of jobs.
  const props = { query, view };
  return html`<h1 class="unseen">${t.gallery}</h1>
    <div class="filters"><${Lazy} load=${() => import('./grid/wall.js')} name="Filters" props=${props} /></div>
    <${Lazy} load=${() => import('./grid/wall.js')} name="Wall" props=${props} />`;
}

async function start() {
  const theme = localStorage.getItem('darkroom.theme');
  if (theme) document.documentElement.dataset.theme = theme;
  /** @type {any} */
  const root = document.getElementById('root');
  try {
    await Promise.all([loadTexts(), loadConfig().then(startSession)]);
  } catch {
    root.textContent = language === 'zh' ? '服务器没有响应。' : 'The server does not respond.';
    setTimeout(() => location.reload(), 5000);
    return;
  }
  render(html`<${App} />`, root);
  // Follows the open jobs, also those that another tab has submitted.
  import('./follow/follow.js').then((module) => module.follow());
  import('./make/submit.js').then((module) => module.resumePending());
}

start();
