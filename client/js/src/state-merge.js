/**
 * Building whole states from parts: joins pages, merges partial updates.
 *
 * Pure; never changes its arguments. The rules are in docs/protocol.md of the project, "Sessions
 * too large for a message".
 *
 * @module
 */

import { participantAt } from './clock-math.js';
import { isSameVersion, stateVersionOf } from './state-version.js';

/** @import { ParticipantChanges, ParticipantState, SessionState, Snapshot, StateMessage } from './types.js' */

/** The fields that all members of a group have in common. */
const GROUP_CLOCK_FIELDS = /** @type {const} */ ([
  'time_remaining_ms',
  'delay_remaining_ms',
  'main_remaining_ms',
  'period_remaining_ms',
  'periods_left',
  'cycles_left',
  'stage',
  'is_running',
  'has_expired',
]);

/**
 * The snapshot in a STATE_SYNC or STATE_UPDATE.
 *
 * @param {StateMessage} message
 * @param {SessionState} [state] replaces a partial one
 * @returns {Snapshot}
 */
export function snapshotFrom({ epoch, version, timestamp, state: own }, state = own) {
  return { epoch, version, timestamp, state };
}

/**
 * The snapshot after an update; null if a partial one does not fit it.
 *
 * @param {Snapshot} snapshot
 * @param {StateMessage} update
 * @returns {Snapshot | null}
 */
export function applyUpdate(snapshot, update) {
  if (!update.partial) return snapshotFrom(update);
  const { epoch, baseVersion: version, baseUpdatedAt: updatedAt } = update;
  if (!isSameVersion({ epoch, version, updatedAt }, stateVersionOf(snapshot))) return null;
  if (update.participantChanges) return applyChanges(snapshot, update, update.participantChanges);
  const state = mergePartial(snapshot.state, update.state);
  // Who was not in the update is as they were sent, and their clock may be running.
  const merged = new Set(state.participants);
  const participantTimestamps = new Map(
    snapshot.state.participants
      .filter((one) => merged.has(one))
      .map(({ participant_id: id }) => [id, timestampOf(snapshot, id)]),
  );
  // The store's clock has stepped back, and since then their clocks have run.
  const isLater = (/** @type {number} */ sentAt) => sentAt > update.timestamp;
  if (state.sync_mode === 'simultaneous' && [...participantTimestamps.values()].some(isLater)) {
    return null;
  }
  return { ...snapshotFrom(update, state), participantTimestamps };
}

/**
 * The snapshot after an update that tells only what changed for many participants of
 * `simultaneous`. Every clock is brought to its timestamp; null if one was sent with a later one.
 *
 * @param {Snapshot} snapshot
 * @param {StateMessage} update
 * @param {ParticipantChanges[]} changes
 * @returns {Snapshot | null}
 */
function applyChanges(snapshot, update, changes) {
  const { timestamp } = update;
  /** @type {any[]} */
  const participants = [];
  for (const one of snapshot.state.participants) {
    const elapsedMs = timestamp - timestampOf(snapshot, one.participant_id);
    if (elapsedMs < 0) return null;
    participants.push({ ...participantAt(one, snapshot.state, elapsedMs) });
  }
  for (const { positions, set, add } of changes) {
    for (const one of positions.flatMap(([first, last]) => participants.slice(first, last + 1))) {
      Object.assign(one, set);
      for (const [name, added] of Object.entries(add)) one[name] += added;
    }
  }
  for (const one of participants) {
    one.deadline_at = one.is_running
      ? new Date(timestamp + one.time_remaining_ms).toISOString()
      : null;
  }
  return snapshotFrom(update, { ...update.state, participants });
}

/**
 * The server's time at which a participant's values are correct.
 *
 * @param {Snapshot} snapshot
 * @param {string} id
 */
export const timestampOf = ({ timestamp, participantTimestamps }, id) =>
  participantTimestamps?.get(id) ?? timestamp;

/**
 * The whole state from all of its pages.
 *
 * @param {SessionState[]} pages in their order, at least one
 * @returns {SessionState}
 */
export function joinPages(pages) {
  const last = /** @type {SessionState} */ (pages.at(-1));
  const whole = { ...last, participants: pages.flatMap((page) => page.participants) };
  if (last.groups) {
    whole.groups = [...byGroup(pages.flatMap((page) => page.groups ?? [])).values()];
  }
  return whole;
}

/**
 * The whole state as of `partial`, which follows `state`.
 *
 * Only the clock of an active participant moves. Each participant who was or is active is in
 * `partial`, as is one member of each group whose clock moves; the others keep their values. In
 * `simultaneous` the clocks of others may be running: their values are as of when they were sent.
 * A participant who joined takes the place that their index gives them.
 *
 * @param {SessionState} state
 * @param {SessionState} partial
 * @returns {SessionState}
 */
export function mergePartial(state, partial) {
  const members = byGroup(partial.participants);
  const [first] = partial.participants;

  /** @type {(one: ParticipantState) => ParticipantState} */
  const carriedOver = (one) => {
    const member = members.get(one.group_id);
    if (partial.sync_mode === 'global' && first) {
      const { time_remaining_ms, is_running } = first;
      return { ...one, time_remaining_ms, is_running, has_expired: false };
    }
    return partial.sync_mode === 'per_group' && member ? withClockOf(one, member) : one;
  };

  const participants = new Map(
    state.participants.map((one) => [one.participant_id, carriedOver(one)]),
  );
  for (const one of partial.participants) participants.set(one.participant_id, one);
  const whole = {
    ...partial,
    // Sorting is stable: those of equal index stay in the order in which they joined.
    participants: [...participants.values()].sort(
      (one, other) => one.participant_index - other.participant_index,
    ),
  };
  if (state.groups) {
    whole.groups = [...byGroup([...state.groups, ...(partial.groups ?? [])]).values()];
  }
  return whole;
}

/** @type {<T extends {group_id?: string | null}>(all: T[]) => Map<string | null | undefined, T>} */
const byGroup = (all) => new Map(all.map((one) => [one.group_id, one]));

/**
 * @param {ParticipantState} one
 * @param {ParticipantState} member of the same group
 */
function withClockOf(one, member) {
  const whole = { ...one };
  for (const name of GROUP_CLOCK_FIELDS) {
    // A stage may lack what the one before had.
    if (name in member) Object.assign(whole, { [name]: member[name] });
    else Reflect.deleteProperty(whole, name);
  }
  return whole;
}
