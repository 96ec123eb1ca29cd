/**
 * What the page says about its connection, and when it replaces the clocks with a notice. Pure.
 *
 * @module
 */

/** @import { ConnectionState } from '../../js/src/index.js' */

/**
 * @typedef {object} Status
 * @property {ConnectionState} connection
 * @property {boolean} isRefused whether the server has refused the link's token
 * @property {boolean} hasSession whether there is a session to show
 * @property {boolean} hadSession
 * @property {'deleted' | 'expired' | null} ending why there is no session any more, if known
 * @property {boolean} isWaiting whether it is too early for an error
 */

const ENDINGS = {
  deleted: 'It was deleted.',
  // The page doesn't know the setting of the server.
  expired: 'It expired: it was not used for its time to live, by default 24 hours.',
  unknown: 'It was deleted or has expired.',
};

/** @typedef {{title: string, text: string} | null} Notice null if the clocks are shown */

/**
 * @param {Status} status
 * @returns {Notice}
 */
export function noticeFor({ connection, isRefused, hasSession, hadSession, ending, isWaiting }) {
  if (isRefused) {
    return {
      title: 'This link doesn’t work',
      text: 'It has expired, was revoked, or is incomplete. Ask the host for a new link.',
    };
  }
  if (hasSession) return null;
  if (ending || hadSession) {
    return { title: 'This session no longer exists', text: ENDINGS[ending ?? 'unknown'] };
  }
  if (isWaiting) return { title: 'Connecting', text: '' };
  if (connection !== 'live') {
    return {
      title: 'The server can’t be reached',
      text: 'This page keeps trying, and shows the clocks once it is connected.',
    };
  }
  return {
    title: 'Session not found',
    text: 'It may have been deleted, or not created yet. If it is created, it appears here.',
  };
}

/** @type {Record<ConnectionState, string>} */
const LABELS = {
  connecting: 'Connecting',
  live: 'Live',
  unconfirmed: 'Not confirmed',
  reconnecting: 'Reconnecting',
  closed: 'Not connected',
};

/**
 * The text of the connection indicator.
 *
 * @param {ConnectionState} connection
 * @param {number} errorBoundMs how far off the digits may be
 */
export function connectionLabel(connection, errorBoundMs) {
  const showsClocks = connection !== 'connecting' && connection !== 'closed';
  const bound = showsClocks && Number.isFinite(errorBoundMs) ? ` ±${boundText(errorBoundMs)}` : '';
  return LABELS[connection] + bound;
}

/** @param {number} ms */
function boundText(ms) {
  if (ms < 1_000) return `${Math.max(1, Math.ceil(ms))} ms`;
  return ms < 60_000 ? `${Math.ceil(ms / 1_000)} s` : `${Math.ceil(ms / 60_000)} min`;
}
