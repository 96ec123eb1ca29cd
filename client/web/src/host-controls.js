/**
 * The host's controls of a whole session: buttons, keys, and the size of adjustments.
 *
 * Sends every command of the host's screen, and shows why one failed.
 *
 * @module
 */

import { adjustTarget } from './adjustments.js';
import { confirm } from './confirm.js';
import { el, setText, shortcutOf } from './dom.js';
import { errorText } from './event-text.js';
import { SESSION, actionButton } from './host-card.js';
import { useOf } from './own-clocks.js';
import { hostAction, isFinished } from './primary-action.js';

/** @import { CommandName } from '../../js/src/index.js' */
/** @import { SessionState } from '../../js/src/types.js' */
/** @import { Button } from './host-card.js' */
/** @import { SessionScreen } from './session-screen.js' */

const ADJUSTMENTS_S = [10, 30, 60, 300];

export class HostControls {
  #screen;
  /** @type {SessionState | null} */
  #state = null;
  #error = el('p', { className: 'error', role: 'alert' });
  #primary = actionButton('', () => this.#runPrimaryAction(), { className: 'primary' });
  #pause = actionButton('Pause', () => this.send('pause'));
  #undo = actionButton('Undo', () => this.send('undo'));
  // On the page only where they are for all: the card of the active participant may not be drawn.
  #more = actionButton('+ for all', () => this.#adjustActive(1), { inSuccession: true });
  #less = actionButton('− for all', () => this.#adjustActive(-1), { inSuccession: true });
  #isScaled = el('input', { type: 'checkbox' });
  #scaled = el(
    'label',
    { className: 'scaled', title: 'With a factor of 1.25, 4 minutes become 5' },
    this.#isScaled,
    ' by factor',
  );
  #complete = actionButton('Complete', () => this.#confirmComplete());
  #reopen = actionButton('Reopen', () => this.send('reopen'));
  #reset = actionButton('Start over', () => this.#confirmReset());
  #delete = actionButton('Delete', () => this.#confirmDelete(), { className: 'danger' });
  #adjustment = el(
    'select',
    { 'aria-label': 'Time added or removed by + and −' },
    ...ADJUSTMENTS_S.map(
      (step) => new Option(step < 60 ? `± ${step} s` : `± ${step / 60} min`, `${step}`),
    ),
  );
  element = el(
    'div',
    { className: 'controls', role: 'group', 'aria-label': 'Controls' },
    this.#error,
    this.#primary,
    this.#pause,
    this.#undo,
    this.#complete,
    this.#reopen,
    this.#reset,
    this.#adjustment,
    this.#less,
    this.#more,
    this.#scaled,
    this.#delete,
  );

  /** @param {SessionScreen} screen */
  constructor(screen) {
    this.#screen = screen;
  }

  /** @param {SessionState} state */
  update(state) {
    const isOwn = state.sync_mode === 'simultaneous';
    if (!this.#state && isOwn) this.#adjustment.value = '300';
    this.#state = state;
    const isLive = this.#screen.client.connection === 'live';
    const action = hostAction(state);
    setText(this.#primary, action.label);
    this.#primary.disabled = !isLive || action.command === null;
    const isOver = isFinished(state);
    const isRace = useOf(state) === 'race';
    this.#complete.hidden = isOver;
    // A pause would stop the time of a race.
    const canPause = !isRace && !(isOwn && state.status === 'pending');
    this.#pause.hidden = isOver || action.command === 'pause' || !canPause;
    setText(this.#pause, state.status === 'paused' ? 'Resume' : 'Pause');
    this.#pause.disabled = !isLive || state.status !== 'running';
    this.#adjustment.hidden = isOver || isRace;
    this.#more.hidden = this.#less.hidden = isOver || !isOwn || isRace;
    this.#scaled.hidden =
      this.#more.hidden || !state.participants.some(({ time_factor: factor = 1 }) => factor !== 1);
    const hasTurns = state.participants.length > 1 && !isOwn;
    this.#undo.hidden = isOver || !hasTurns;
    this.#undo.disabled = !isLive || state.status !== 'running';
    this.#complete.disabled = !isLive;
    this.#reopen.hidden = this.#reset.hidden = !isOver;
    this.#reopen.disabled = this.#reset.disabled = !isLive;
  }

  /**
   * Press the button of a key.
   *
   * @param {KeyboardEvent} event
   * @returns {boolean} whether there is one
   */
  onKey(event) {
    const { status } = this.#state ?? {};
    const pauses = status === 'running' && !this.#pause.hidden ? this.#pause : this.#primary;
    /** @type {Record<string, Button>} */
    const buttons = {
      ' ': this.#primary,
      ...(status !== 'pending' && { p: pauses }),
      u: this.#undo,
      '+': this.#more,
      '-': this.#less,
    };
    const button = buttons[shortcutOf(event)];
    if (button) void button.press(event);
    return button !== undefined;
  }

  /**
   * Add the chosen time to a clock, or remove it.
   *
   * @param {string} id of a participant, or `SESSION`
   * @param {1 | -1} sign
   */
  adjust(id, sign) {
    const target = this.#state && adjustTarget(this.#state, id);
    const delta_ms = sign * Number(this.#adjustment.value) * 1_000;
    const isScaled = id === SESSION && !this.#scaled.hidden && this.#isScaled.checked;
    const args = { ...target, delta_ms, ...(isScaled && { scaled: true }) };
    return target && this.send('adjust', args);
  }

  /**
   * @param {CommandName} command
   * @param {Record<string, unknown>} [args]
   * @returns {Promise<boolean>} whether it succeeded
   */
  send(command, args) {
    return this.#try(() => this.#screen.client.command(command, args));
  }

  #runPrimaryAction() {
    const action = this.#state && hostAction(this.#state);
    return action?.command && this.send(action.command, action.args);
  }

  /**
   * The active clock, or that of all.
   *
   * @param {1 | -1} sign
   */
  #adjustActive(sign) {
    const { session_remaining_ms, active_participant_id, sync_mode } = this.#state ?? {};
    const isForAll = session_remaining_ms != null || sync_mode === 'simultaneous';
    const active = isForAll ? SESSION : active_participant_id;
    return active && this.adjust(active, sign);
  }

  async #confirmComplete() {
    const isConfirmed = await confirm({
      title: 'Complete the session?',
      text: 'All clocks stop for every participant. You can reopen it later.',
      action: 'Complete',
    });
    if (isConfirmed) await this.send('complete');
  }

  async #confirmReset() {
    const isConfirmed = await confirm({
      title: 'Start over?',
      text: 'All clocks are full again, and nothing is used, under the same links. This can’t be undone.',
      action: 'Start over',
    });
    if (isConfirmed) await this.send('reset');
  }

  async #confirmDelete() {
    const isConfirmed = await confirm({
      title: 'Delete the session?',
      text: 'It disappears from every screen, and its links stop working. This can’t be undone.',
      action: 'Delete',
    });
    if (isConfirmed) {
      await this.#try(() => this.#screen.api.deleteSession(this.#screen.route.session));
    }
  }

  /**
   * Show the error of `action`, if it fails.
   *
   * @param {() => Promise<unknown>} action
   * @returns {Promise<boolean>} whether it succeeded
   */
  async #try(action) {
    try {
      await action();
      setText(this.#error, '');
      return true;
    } catch (error) {
      setText(this.#error, errorText(error));
      return false;
    }
  }
}
