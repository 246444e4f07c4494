// What a person can do about an error, by its class.

/** @typedef {"settings" | "sandbox" | "help"} Action */

/** @type {Record<string, Action[]>} */
const ACTIONS = {
  NoKeyError: ["settings", "sandbox", "help"],
  OutOfCreditError: ["sandbox", "help"],
};

/** Return the buttons for an error of a type such as "openai_image_nodes.NoKeyError".
 * @param {string | undefined} type
 * @returns {Action[]}
 */
export function actionsFor(type) {
  return ACTIONS[type?.split(".").at(-1) ?? ""] ?? ["help"];
}

/** Return the message of an error without the blank lines that ComfyUI adds.
 * @param {unknown} message
 */
export function messageOf(message) {
  return String(message ?? "").trim();
}
