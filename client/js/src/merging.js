/**
 * States that come in parts, made whole: pages and partial updates.
 *
 * Values in, values out; what is given is never changed.
 *
 * @module
 */

/** @typedef {import('./types.js').Held} Held */
/** @typedef {import('./types.js').ParticipantState} ParticipantState */
/** @typedef {import('./types.js').SessionState} SessionState */
/** @typedef {import('./types.js').StateMessage} StateMessage */

/** What all members of a group show alike. */
const OF_A_BANK = /** @type {const} */ ([
  'time_remaining_ms',
  'delay_remaining_ms',
  'main_remaining_ms',
  'period_remaining_ms',
  'periods_left',
  'cycles_left',
  'is_running',
  'has_expired',
]);

/**
 * @param {StateMessage} message
 * @param {SessionState} [state]
 * @returns {Held}
 */
export function asHeld({ epoch, version, timestamp, state: itsOwn }, state = itsOwn) {
  return { epoch, version, timestamp, state };
}

/**
 * What is held after a newer update of the same epoch; null where it doesn't fit.
 *
 * @param {Held} held
 * @param {StateMessage} update
 * @returns {Held | null}
 */
export function applied(held, update) {
  if (!update.partial) return asHeld(update);
  return update.baseVersion === held.version
    ? asHeld(update, merged(held.state, update.state))
    : null;
}

/**
 * The state whose participants and groups come in pages.
 *
 * @param {SessionState[]} pages in their order, at least one
 * @returns {SessionState}
 */
export function inOne(pages) {
  const last = /** @type {SessionState} */ (pages.at(-1));
  const whole = { ...last, participants: pages.flatMap((page) => page.participants) };
  if (last.groups) {
    whole.groups = [...byGroup(pages.flatMap((page) => page.groups ?? [])).values()];
  }
  return whole;
}

/**
 * The whole state at the instant of `partial`, which follows `held`.
 *
 * Only a clock of somebody active moves, and whoever was or is active is in
 * the message, as is one of those who share a clock: what others hold stands.
 *
 * @param {SessionState} held
 * @param {SessionState} partial
 * @returns {SessionState}
 */
export function merged(held, partial) {
  const news = new Map(partial.participants.map((one) => [one.participant_id, one]));
  const speakers = byGroup(partial.participants);
  const [shared] = partial.participants;

  /** @type {(one: ParticipantState) => ParticipantState} */
  const brought = (one) => {
    const speaker = speakers.get(one.group_id);
    if (partial.sync_mode === 'global' && shared) {
      const { time_remaining_ms, is_running } = shared;
      return { ...one, time_remaining_ms, is_running, has_expired: false };
    }
    return partial.sync_mode === 'per_group' && speaker ? { ...one, ...ofItsBank(speaker) } : one;
  };

  const whole = {
    ...partial,
    participants: held.participants.map((one) => news.get(one.participant_id) ?? brought(one)),
  };
  if (held.groups) {
    const groups = byGroup(partial.groups ?? []);
    whole.groups = held.groups.map((one) => groups.get(one.group_id) ?? one);
  }
  return whole;
}

/** @type {<T extends {group_id: string | null}>(all: T[]) => Map<string | null, T>} */
const byGroup = (all) => new Map(all.map((one) => [one.group_id, one]));

/** @type {(speaker: ParticipantState) => Partial<ParticipantState>} */
const ofItsBank = (speaker) =>
  Object.fromEntries(
    OF_A_BANK.filter((name) => name in speaker).map((name) => [name, speaker[name]]),
  );
