// What a person can do about an error, by its class.

/** @import { NodeErrors } from "../types" */
/** @import { Note } from "./memory.js" */

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

/** Tell whether an error of a type asks something that a yes lets go on.
 * @param {string | undefined} type
 */
export function isQuestion(type) {
  return type?.split(".").at(-1) === "LargeSumError";
}

/** Return what is to be seen of a node that ComfyUI refused before the run.
 * @param {NonNullable<NodeErrors["errors"]>} errors
 * @returns {Note}
 */
export function refusalOf(errors) {
  const told = errors.map(({ message, details, extra_info }) => {
    return extra_info?.exception_message ?? [message, details].filter(Boolean).join(": ");
  });
  const [type] = errors.flatMap(({ extra_info }) => extra_info?.exception_type ?? []);
  return { kind: "error", text: [...new Set(told.map(messageOf))].join("\n"), type };
}

/** Return the message of an error without the blank lines that ComfyUI adds.
 * @param {unknown} message
 */
export function messageOf(message) {
  return String(message ?? "").trim();
}
