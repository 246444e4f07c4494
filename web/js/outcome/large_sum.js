// A run that may cost much was stopped before it does: ask, and run it once up to that sum where the person says yes.

/** @import { Host } from "../host.js" */

/**
 * @param {Host} host
 * @param {string} message what the server says of the sum; after the first line how to answer, which the buttons say
 * @param {string | undefined} prompt_id
 */
export async function askAboutSum(host, message, prompt_id) {
  const title = host.text("ask_large_sum", "Run it for this sum?");
  const [question = ""] = message.split("\n");
  if (!prompt_id || !(await host.isSure({ title, message: host.said(question) }))) return;
  try {
    await host.json("/openai_image_nodes/allow_sum", { prompt_id });
  } catch (error) {
    host.toast({ severity: "error", summary: "OpenAI Image Nodes", detail: String(/** @type {Error} */ (error).message) });
    return;
  }
  await host.app.queuePrompt?.(0, 1);
}
