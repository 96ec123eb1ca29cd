/**
 * The errors of the client.
 *
 * @module
 */

/** A command failed, or its outcome is unknown. */
export class CommandError extends Error {
  /**
   * @param {string} code the server's, or `NOT_LIVE`, `CONNECTION_LOST` or `NO_ANSWER`
   * @param {string} message
   * @param {'refused' | 'unsent' | 'unknown'} outcome `unknown`: the command may have been
   *   carried out; the next snapshot shows it
   */
  constructor(code, message, outcome) {
    super(message);
    this.name = 'CommandError';
    this.code = code;
    this.outcome = outcome;
  }
}

/** The error of a command that was not sent. */
export const notLive = () =>
  new CommandError('NOT_LIVE', 'There is no live session; the command was not sent', 'unsent');

/**
 * The error of a command that got no answer.
 *
 * @param {string} code
 */
export const outcomeUnknown = (code) =>
  new CommandError(
    code,
    'No answer arrived; the command may or may not have been carried out',
    'unknown',
  );
