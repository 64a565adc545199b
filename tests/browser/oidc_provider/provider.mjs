// An OpenID Connect provider with one public client, whose pages are at GALLERY.
// The development pages of the package accept every name and password. The user grace is an
// administrator. Prints the issuer when it is ready.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const { Provider } = await import(
  pathToFileURL(`${process.env.PACKAGES}/oidc-provider/lib/index.js`).href
);

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const home = `${process.env.GALLERY}/`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'gallery',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        redirect_uris: [home],
        post_logout_redirect_uris: [home],
      },
    ],
    claims: { openid: ['sub', 'cognito:groups'], email: ['email'] },
    // The claims are also in the ID token, as those of a user pool are.
    conformIdTokenClaims: false,
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    clientBasedCORS: () => true,
    pkce: { required: () => true },
    cookies: { keys: ['only for tests'] },
    ttl: { Session: 600, Grant: 600, Interaction: 600, RefreshToken: 600, AccessToken: 600, IdToken: 600 },
    async findAccount(_context, id) {
      const groups = id === 'grace' ? ['admin'] : [];
      const claims = { sub: id, email: `${id}@example.org`, 'cognito:groups': groups };
      return { accountId: id, claims: async () => claims };
    },
  });
  server.on('request', provider.callback());
  console.log(`issuer ${issuer}`);
});
