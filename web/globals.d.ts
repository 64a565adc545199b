/** `vendor/oidc-client.js` is a classic script that defines this variable. */
declare const oidc: typeof import('./vendor/oidc-client-ts');
