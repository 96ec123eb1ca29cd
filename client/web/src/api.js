/**
 * The REST calls of the page: sessions, their event log, and tokens.
 *
 * @module
 */

/** @import { SessionEvent } from '../../js/src/types.js' */

/** @import { Role } from './route.js' */

/** @typedef {SessionEvent & {id: string}} LoggedEvent */

/**
 * @typedef {object} Created
 * @property {{session_id: string}} data
 * @property {{host: {token: string}}} [links] if the server requires tokens
 */

/** The server refused a request, or could not be reached. */
export class ApiError extends Error {
  /**
   * @param {string} code the server's, or `UNREACHABLE`
   * @param {string} message
   * @param {{field: string, message: string}[]} [details]
   */
  constructor(code, message, details = []) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

export class Api {
  #root;
  #token;

  /**
   * @param {string} root ends with a slash
   * @param {string} [token]
   */
  constructor(root, token) {
    this.#root = root;
    this.#token = token;
  }

  /**
   * @param {Record<string, unknown>} request
   * @returns {Promise<Created>}
   */
  createSession(request) {
    return this.#call('POST', 'v1/sessions', request);
  }

  /**
   * @param {string} session
   * @returns {Promise<unknown>}
   * @throws {ApiError}
   */
  getSession(session) {
    return this.#call('GET', `v1/sessions/${session}`);
  }

  /**
   * @param {string} session
   * @param {Role} role
   * @param {string} [participant] for the role of a participant
   * @returns {Promise<string>}
   */
  async mintToken(session, role, participant) {
    const body = { role, ...(participant && { participant_id: participant }) };
    const { data } = await this.#call('POST', `v1/sessions/${session}/tokens`, body);
    return data.token;
  }

  /** @param {string} session */
  deleteSession(session) {
    return this.#call('DELETE', `v1/sessions/${session}`);
  }

  /**
   * All events after the one with the id `after`, oldest first, page by page.
   *
   * @param {string} session
   * @param {string} [after]
   * @returns {AsyncGenerator<LoggedEvent[]>}
   */
  async *getEvents(session, after) {
    /** @type {string | null | undefined} */
    let cursor = after;
    do {
      const query = new URLSearchParams({ limit: '1000', ...(cursor && { after: cursor }) });
      const { data } = await this.#call('GET', `v1/sessions/${session}/events?${query}`);
      yield data.events;
      cursor = data.next;
    } while (cursor);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>}
   */
  async #call(method, path, body) {
    const headers = {
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...(this.#token && { Authorization: `Bearer ${this.#token}` }),
    };
    let response;
    try {
      response = await fetch(new URL(path, this.#root), {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    } catch {
      throw new ApiError('UNREACHABLE', 'The server can’t be reached.');
    }
    const answer = response.status === 204 ? null : await response.json().catch(() => null);
    if (response.ok) return answer;
    const {
      code = 'INTERNAL_ERROR',
      message = 'Something went wrong.',
      details,
    } = answer?.error ?? {};
    throw new ApiError(code, message, Array.isArray(details) ? details : []);
  }
}
