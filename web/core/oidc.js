import { go } from './router.js';
import { t } from './text.js';

/** @type {OidcSignIn} */
let settings;
/** @type {Promise<import('../vendor/oidc-client-ts').UserManager> | undefined} */
let loading;
const home = `${location.origin}/`;
const store = sessionStorage;

/** Load the library. Trusted Types refuse a script's URL here, so the page has a template. */
function load() {
  loading ??= new Promise((resolve, reject) => {
    /** @type {any} */
    const template = document.querySelector('template');
    const script = document.importNode(template.content, true).firstElementChild;
    script.onload = () => {
      const { authority, client_id } = settings;
      const stateStore = new oidc.WebStorageStateStore({ store });
      resolve(
        new oidc.UserManager({
          authority,
          client_id,
          redirect_uri: home,
          post_logout_redirect_uri: home,
          automaticSilentRenew: false,
          stateStore,
          userStore: stateStore,
        }),
      );
    };
    script.onerror = () => {
      loading = undefined;
      script.remove();
      reject(new Error(t.noServer));
    };
    document.head.append(script);
  });
  return loading;
}

/** @param {any} user @returns {Session | null} */
function sessionOf(user) {
  if (!user?.id_token) return null;
  const { profile, id_token } = user;
  const { claim = '', value = '' } = settings.admin ?? {};
  return {
    user: profile.sub,
    name: profile.email ?? profile.name ?? profile.sub,
    token: id_token,
    admin: [profile[claim]].flat().includes(value),
  };
}

/** @param {OidcSignIn} options */
export async function start(options) {
  settings = options;
  const { href, pathname, search, hash } = location;
  if (!/[?&](code|error)=/.test(search)) {
    // The library is not loaded as long as its token works.
    const stored = store.getItem(`oidc.user:${settings.authority}:${settings.client_id}`);
    const user = stored && JSON.parse(stored);
    if (user?.expires_at * 1000 > Date.now()) return sessionOf(user);
    return user && renew().catch(() => sessionOf(user));
  }
  history.replaceState(null, '', pathname + hash);
  const user = await (await load()).signinRedirectCallback(href);
  go(/** @type {any} */ (user).state || '#/', true);
  return sessionOf(user);
}

export async function signIn() {
  const manager = await load();
  const { scopes_supported = [] } = await manager.metadataService.getMetadata();
  // A user pool's app client allows openid alone.
  const more = settings.domain
    ? []
    : ['email', 'offline_access'].filter((one) => scopes_supported.includes(one));
  await manager.signinRedirect({ state: location.hash, scope: ['openid', ...more].join(' ') });
}

export async function renew() {
  const manager = await load();
  try {
    const user = await manager.getUser();
    if (user?.refresh_token) return sessionOf(await manager.signinSilent());
  } catch (error) {
    if (!(error instanceof oidc.ErrorResponse)) throw error;
  }
  await manager.removeUser();
  return null;
}

export async function signOut() {
  const manager = await load();
  if (settings.domain) {
    await manager.removeUser();
    const query = new URLSearchParams({ client_id: settings.client_id, logout_uri: home });
    location.assign(`${settings.domain}/logout?${query}`);
  } else {
    await manager.signoutRedirect().catch(() => location.reload());
  }
}
