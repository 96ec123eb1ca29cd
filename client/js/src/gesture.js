/**
 * One press, one command: presses of a control that are meant once are counted once.
 *
 * A key that is held repeats, a double click is two clicks, a switch bounces, and a slow answer
 * makes people press again. None of these may start a second clock.
 *
 * @module
 */

/** A press that follows another sooner than this belongs to the same gesture. */
const BOUNCE_MS = 300;

/** What clicks a button that has the focus. */
const CLICKING_KEYS = ['Enter', 'NumpadEnter', 'Space'];

/**
 * Call `action` once for each press of a button, with the mouse, a finger or the keyboard.
 *
 * Ignored are a repeated key, the second click of a double click, a press within 300 ms of the
 * last one, and any press while the button is disabled or busy. It is busy (`aria-busy`) until the
 * promise that `action` returned is settled.
 *
 * @param {HTMLElement} button
 * @param {() => unknown} action
 * @param {{inSuccession?: boolean}} [options] `inSuccession`: several clicks in a row are meant as
 *   such, as those of a button that adds ten seconds
 * @returns {(event: UIEvent) => Promise<void>} presses the button, for a key that is its shortcut
 */
export function onPress(button, action, { inSuccession = false } = {}) {
  let pressedAtMs = -Infinity;
  const press = async (/** @type {UIEvent} */ event) => {
    if (/** @type {KeyboardEvent} */ (event).repeat) return;
    const sinceMs = event.timeStamp - pressedAtMs;
    pressedAtMs = event.timeStamp;
    const isSecond = event.detail > 1 && !inSuccession;
    if (isSecond || sinceMs < BOUNCE_MS) return;
    if (button.matches(':disabled, [aria-disabled=true], [aria-busy=true]')) return;
    button.ariaBusy = 'true';
    try {
      await action();
    } finally {
      button.ariaBusy = 'false';
    }
  };
  button.addEventListener('click', press);
  // Enter clicks a button again and again while it is held.
  button.addEventListener('keydown', (event) => {
    if (event.repeat && CLICKING_KEYS.includes(event.code)) event.preventDefault();
  });
  return press;
}
