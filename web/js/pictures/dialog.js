// A dialog of small pictures, each a button with its date and price. All text is set as text.

import { made } from "../dom.js";
import { filled, usd } from "../format.js";

/** @import { Host } from "../host.js" */
/** @import { PaidPicture, Text } from "../types" */

const DATA_PICTURE = /^data:image\/jpeg;base64,[A-Za-z0-9+/=]+$/;
const BOX = {
  maxWidth: "min(760px, 92vw)", maxHeight: "84vh", padding: "16px", borderRadius: "10px", overflow: "auto",
  color: "var(--input-text, #ddd)", background: "var(--comfy-menu-bg, #353535)", fontSize: "14px", lineHeight: "1.4",
  border: "1px solid var(--border-color, #4e4e4e)", margin: "auto",
};
const GRID = { display: "flex", flexWrap: "wrap", gap: "10px", margin: "12px 0" };
const CARD = {
  display: "flex", flexDirection: "column", gap: "4px", width: "164px", padding: "6px", borderRadius: "8px", font: "inherit",
  color: "inherit", background: "var(--comfy-input-bg, #222)", border: "1px solid var(--border-color, #4e4e4e)",
};
const FRAME = { width: "150px", height: "150px", objectFit: "contain" };

/**
 * @param {Host} host
 * @param {{ title: string, words: string, pictures: PaidPicture[], choose?: (picture: PaidPicture) => void }} shown
 */
export function showPictures(host, { title, words, pictures, choose }) {
  const { text } = host;
  const close = made("button", { type: "button", textContent: text("close", "Close"), style: { ...CARD, width: "auto" } });
  const cards = pictures.map((one) => card(host, one, Boolean(choose)));
  const dialog = made("dialog", { className: "oin-pictures", style: BOX, "aria-label": title },
    made("strong", {}, title),
    made("p", { role: "status" }, words),
    made("div", { style: GRID }, ...cards),
    close);
  const leave = () => {
    dialog.close?.();
    dialog.remove?.();
  };
  close.addEventListener("click", leave);
  dialog.addEventListener("close", leave);
  cards.forEach((button, index) =>
    button.addEventListener("click", () => {
      const picture = pictures[index];
      if (picture) host.attempt(() => choose?.(picture));
      leave();
    }));
  document.body.append(dialog);
  dialog.showModal?.();
}

/**
 * @param {Host} host
 * @param {PaidPicture} picture
 * @param {boolean} enabled
 */
function card(host, { seed, made_at, thumbnail, ...paid }, enabled) {
  const { text } = host;
  const when = made_at ? new Date(made_at * 1000).toLocaleString() : "";
  const isPicture = thumbnail && DATA_PICTURE.test(thumbnail);
  const frame = isPicture ? made("img", { src: thumbnail, alt: "", style: FRAME }) : made("span", { style: FRAME });
  const lines = [`${text("seed", "seed")} ${seed}`, when, priceOf(text, paid)].filter(Boolean).map((line) => made("span", {}, line));
  return made("button", { type: "button", disabled: !enabled, style: CARD }, frame, ...lines);
}

/**
 * @param {Text} text
 * @param {Pick<PaidPicture, "cost_usd" | "credits">} paid
 */
function priceOf(text, { cost_usd, credits }) {
  if (cost_usd === 0) return text("free", "free");
  if (cost_usd != null) return `${usd(cost_usd)} USD`;
  return credits == null ? "" : filled(text("credits", "[count] credits"), { count: credits });
}
