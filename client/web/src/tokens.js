/**
 * The tokens that came with a new session, kept in this tab for the links its host hands out.
 *
 * @module
 */

/**
 * Links as a server that asks for tokens answers them, with `token=` in their fragments.
 *
 * @typedef {{host?: string, viewer?: string, participants?: Record<string, string>}} GivenLinks
 */

/** @type {(session: string) => string} */
const nameOf = (session) => `tickless.tokens.${session}`;

/**
 * @param {GivenLinks} links
 * @returns {Record<string, string>} by participant, `viewer` or `host`
 */
export function tokensIn({ host, viewer, participants }) {
  const links = Object.entries({ ...participants, host, viewer });
  return Object.fromEntries(
    links.flatMap(([whose, link]) => {
      const fragment = link?.split('#')[1];
      const token = fragment && new URLSearchParams(fragment).get('token');
      return token ? [[whose, token]] : [];
    }),
  );
}

/**
 * @param {string} session
 * @param {Record<string, string>} tokens
 */
export function keepTokens(session, tokens) {
  if (!Object.keys(tokens).length) return;
  try {
    sessionStorage.setItem(nameOf(session), JSON.stringify(tokens));
  } catch {
    // Storage may be switched off; then only the links of this moment have them.
  }
}

/**
 * @param {string} session
 * @returns {Record<string, string>}
 */
export function tokensOf(session) {
  try {
    return JSON.parse(sessionStorage.getItem(nameOf(session)) ?? '{}');
  } catch {
    return {};
  }
}
