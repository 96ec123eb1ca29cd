/**
 * Creates and changes elements without HTML strings, so that no name can become markup.
 *
 * @module
 */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties] those with a hyphen, `role` and `for` are
 *   attributes; those that start with `on` are listeners
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on') && typeof value === 'function') {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (name.includes('-') || name === 'role' || name === 'for') {
      if (value !== undefined) element.setAttribute(name, String(value));
    } else if (value !== undefined) Object.assign(element, { [name]: value });
  }
  element.append(...children.filter((child) => child instanceof Node || typeof child === 'string'));
  return element;
}

/**
 * Set the text if it has changed: setting the same text costs layout, too.
 *
 * Extensions may have split or wrapped the text, for example to translate it.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setText(element, text) {
  const [node, ...others] = element.childNodes;
  if (!(node instanceof Text) || others.length) element.textContent = text;
  else if (node.data !== text) node.data = text;
}

/**
 * Set a data attribute if it has changed.
 *
 * @param {HTMLElement} element
 * @param {string} name
 * @param {string} value
 */
export function setData(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

/**
 * The Latin character of a key: its own, or else that of its place on a Latin keyboard, so that a
 * shortcut works on a layout of another script.
 *
 * @param {KeyboardEvent} event
 */
export function shortcutOf({ key, code }) {
  return /^[ -~]+$/.test(key) ? key.toLowerCase() : code.replace(/^Key/, '').toLowerCase();
}

/**
 * Whether a key belongs to the focused element, and must not be a shortcut.
 *
 * @param {KeyboardEvent} event
 */
export function belongsToFocus({ key, target, ctrlKey, altKey, metaKey, defaultPrevented }) {
  if (ctrlKey || altKey || metaKey || defaultPrevented) return true;
  if (!(target instanceof Element)) return false;
  const pressed = key === ' ' || key === 'Enter' ? ', button, a, summary' : '';
  return target.closest(`input, select, textarea, dialog${pressed}`) !== null;
}
