import { get, post, request, session } from '../core/api.js';
import { go, link } from '../core/router.js';
import { date, number, t } from '../core/text.js';
import { Dialog, toast } from '../core/ui.js';
import { html, useState } from '../vendor/preact.js';
import { Act, Credits, Deliveries, Field, Table, useLoad } from './pages.js';

/** @type {Record<string, Fn>} */
const TABS = {
  accounts: ({ args: [platform, user] }) =>
    user ? html`<${AccountPage} ...${{ platform, user }} />` : html`<${Accounts} />`,
  usage: Usage,
  jobs: ({ args: [id] }) => (id ? html`<${JobDetails} id=${id} />` : html`<${OpenJobs} />`),
  providers: Providers,
  callbacks: Callbacks,
};

/** @type {Fn} */
export function ManagePage({ args: [name = 'accounts', ...args], query }) {
  if (!session.get()?.admin) return html`<p>${t.onlyAdmins}</p>`;
  return html`<h1>${t.manage}</h1>
    <nav class="row tabs" aria-label=${t.manage}>
      ${Object.entries(t.tabs).map(
        ([key, text]) =>
          html`<a class="button" href=${link('manage', key)} aria-current=${key === name ? 'page' : null}>${text}</a>`,
      )}
    </nav>
    ${TABS[name] ? html`<${TABS[name]} args=${args} query=${query} />` : t.notFound}`;
}

/** API Gateway decodes a path once more. @type {Fn} */
const pathOf = ({ platform, user }) =>
  `/accounts/${platform}/${encodeURIComponent(/[/?%]/.test(user) ? encodeURIComponent(user) : user)}`;
/** @type {Fn} */
const account = ({ account: { platform, user } }) => `${platform}/${user}`;
/** @type {Fn} */
const event = ({ at, by, reason }) => [date(at), by, reason].filter(Boolean).join(' · ');

/** @type {Fn} */
const AccountPage = (account) =>
  html`<h2>${account.platform}/${account.user}</h2>
    <${Credits} path=${pathOf(account)} view=${['manage', 'jobs']} more=" by reason reference" />`;

function Accounts() {
  const [dialog, setDialog] = useState(/** @type {any} */ ({}));
  // The list is late by a second.
  /** @type {Fn} */
  const close = (account, changes) => setDialog(Object.assign(account, changes) && {});
  const table = useLoad(
    '/accounts',
    ({ accounts }) =>
      html`<${Table} caption=${t.tabs.accounts} rows=${accounts}
        columns="account credits.available credits.held credits.spent credits.granted credits.in_flight seen_at suspended actions"
        cells=${{
          account: ({ platform, user }) =>
            html`<a href=${link('manage', 'accounts', platform, user)}>${platform}/${user}</a>`,
          suspended: ({ suspended }) => suspended && event(suspended),
          actions: (account) => html`<div class="row">
            <button onClick=${() => setDialog({ account, isGrant: true })}>${t.grant}</button>
            ${
              account.suspended
                ? html`<${Act} label=${t.resume} run=${async () => close(account, await post(`${pathOf(account)}/resume`))} />`
                : html`<button onClick=${() => setDialog({ account })}>${t.suspend}</button>`
            }
          </div>`,
        }} />`,
    'accounts',
  );
  return html`${table}${dialog.account && html`<${Change} ...${dialog} close=${close} />`}`;
}

/** @type {Fn} */
function Change({ isGrant, account, close }) {
  const [reference] = useState(() => crypto.randomUUID());
  const path = pathOf(account);
  /** @type {AsyncFn} */
  const run = async ({ amount, reason, reference }) => {
    if (!isGrant) return close(account, await post(`${path}/suspend`, { reason: reason || null }));
    const body = { amount: Number(amount), reason, reference };
    const { status } = await request('POST', `${path}/credits`, { body });
    toast(status === 201 ? t.granted : t.grantedBefore);
    close(account, { credits: await get(path) });
  };
  const label = isGrant ? t.grant : t.suspend;
  return html`<${Dialog} title=${`${label}: ${account.user}`} onClose=${() => close(account)}>
    <p>${isGrant ? t.grantMeaning : t.suspendMeaning}</p>
    <${Act} label=${label} class="primary" run=${run}>
      ${isGrant && html`<${Field} label=${t.amount} name="amount" type="number" min="-1000000" max="1000000" required />`}
      <${Field} label=${t.columns.reason} name="reason" maxlength="500" required=${isGrant} />
      ${isGrant && html`<${Field} label=${t.columns.reference} name="reference" maxlength="200" defaultValue=${reference} required />`}
    <//>
  <//>`;
}

/** @type {Fn} */
function Usage({ query }) {
  const { lang } = document.documentElement;
  const dollars = new Intl.NumberFormat(lang, { style: 'currency', currency: 'USD' });
  const days = new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeZone: 'UTC' });
  /** @type {Record<string, Fn>} */
  const cells = {
    day: ({ day }) => days.format(new Date(day)),
    usd: ({ estimated, usd }) => (estimated ? '≤ ' : '') + dollars.format(usd),
    canceled_usd: ({ canceled_usd }) => dollars.format(canceled_usd),
  };
  return html`<p>${t.usageMeaning}</p>
    <${Act} label=${t.show} run=${(fields) => go(`#/manage/usage?${new URLSearchParams(fields)}`)}>
      <${Field} label=${t.from} type="date" name="from" defaultValue=${query.get('from')} />
      <${Field} label=${t.to} type="date" name="to" defaultValue=${query.get('to')} />
    <//>
    ${useLoad(
      `/admin/usage?${query}`,
      ({ days, accounts }) =>
        html`<${Table} caption=${t.perDay} rows=${days} cells=${cells}
          columns="day provider template predictions usd canceled canceled_usd" />
        <${Table} caption=${t.tabs.accounts} rows=${accounts} cells=${cells} columns="account jobs credits usd audited_at" />`,
      'accounts',
    )}`;
}

const JOB = 'account status provider attempts created_at started_at deadline_at';
const OpenJobs = () =>
  useLoad(
    '/admin/jobs?status=open',
    ({ jobs }) =>
      html`<${Table} caption=${t.tabs.jobs} rows=${jobs} columns=${`job ${JOB}`} cells=${{
        account,
        job: ({ id, template }) => html`<a href=${link('manage', 'jobs', id)}>${template.name}</a>`,
      }} />`,
    'jobs',
  );

/** @type {Fn} */
function JobDetails({ id }) {
  const path = `/admin/jobs/${encodeURIComponent(id)}`;
  return useLoad(
    path,
    (job, reload) =>
      html`<${Table} caption=${id} rows=${[job]} cells=${{ account }}
        columns=${`template.name ${JOB} finished_at error.code error.message callback_url`} />
      <${Table} caption=${t.columns.predictions} rows=${job.predictions} columns="attempt prediction_id requested_at finished_at" />
      <${Deliveries} rows=${job.deliveries} path=${`${path}/callback`} reload=${reload} />`,
  );
}

/** @type {Fn} */
function Callbacks({ args: [id] }) {
  return html`<p>${t.findMeaning}</p>
    <${Act} label=${t.show} run=${(fields) => go(link('manage', 'callbacks', fields.id.trim()))}>
      <${Field} label=${t.jobId} name="id" defaultValue=${id} required />
    <//>
    ${id && html`<${JobDetails} id=${id} />`}`;
}

function Providers() {
  /** @type {Fn} */
  const draw = ({ providers }) => {
    const rows = (/** @type {string} */ list) =>
      providers.flatMap((/** @type {any} */ one) =>
        one[list].map((/** @type {any} */ row) => ({ provider: one.name, ...row })),
      );
    return html`<${Table} caption=${t.tabs.providers} rows=${providers}
        columns="name slots queue.waiting queue.waiting_since paused_until pause_reason faults.in_a_row faults.templates"
        cells=${{
          slots: ({ slots }) => `${number(slots.in_use)} / ${number(slots.max)}`,
          pause_reason: (row) => t.pauses[row.pause_reason],
          'faults.templates': ({ faults }) => faults.templates.join(', '),
        }} />
      <${Table} caption=${t.unavailable} rows=${rows('unavailable_templates')} columns="template provider since reason next_check_at" />
      <${Table} caption=${t.drifting} rows=${rows('drifting_templates')} columns="template provider difference" />`;
  };
  return html`<${Pause} />${useLoad('/admin/providers', draw)}`;
}

function Pause() {
  return useLoad(
    '/admin/paused',
    ({ paused, ...last }, reload) =>
      html`<p>${paused ? t.paused : t.accepted} ${last.at && event(last)}</p>
      <${Act} label=${paused ? t.resumeJobs : t.pauseJobs} run=${({ reason }) =>
        request('PUT', '/admin/paused', { body: { paused: !paused, reason: reason || null } }).then(
          reload,
        )}>
        <${Field} label=${t.columns.reason} name="reason" maxlength="200" />
      <//>`,
  );
}
