/** Numbers, lengths, sizes and times for people. */

import { language, tag } from "./i18n.js";

/** 12345 as 12,345. */
export const number = (value, digits = 0) =>
  Number(value).toLocaleString(tag(), {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });

/** Seconds of protobuf's Duration in JSON, such as "1.600s"; undefined where there is none. */
export const seconds = (duration) => (duration ? Number.parseFloat(duration) : undefined);

/** 1.6 as "1.60 s", 75 as "1:15". */
export function length(value) {
  if (value === undefined || Number.isNaN(value)) return "–";
  if (value < 60) return `${value.toFixed(value < 10 ? 2 : 1)} s`;
  const whole = Math.round(value);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, place) => (place ? String(part).padStart(2, "0") : part)).join(":");
}

/** 0.0842 seconds as "84 ms". */
export const took = (value) =>
  value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;

/** Bytes, such as 1.4 MB. */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = Number(bytes ?? 0);
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${number(value, unit && value < 100 ? 1 : 0)} ${units[unit]}`;
}

/** A timestamp, such as "23 Nov 2026, 04:10". */
export const moment = (timestamp) =>
  timestamp
    ? new Date(timestamp).toLocaleString(tag(), { dateStyle: "medium", timeStyle: "short" })
    : "";

/** The time that something will still take, in round words. */
export function timeLeft(value) {
  const chinese = language === "zh";
  if (value < 60) {
    return chinese ? `${Math.max(1, Math.round(value))} 秒` : `${Math.max(1, Math.round(value))} s`;
  }
  if (value < 3600) {
    return chinese ? `${Math.round(value / 60)} 分钟` : `${Math.round(value / 60)} min`;
  }
  return chinese ? `${(value / 3600).toFixed(1)} 小时` : `${(value / 3600).toFixed(1)} h`;
}

/** 0.0123 as "1.2%": two digits that mean something. */
export const percent = (value) =>
  Number(value ?? 0).toLocaleString(tag(), { style: "percent", maximumSignificantDigits: 2 });

/** A score, cosine in [-1, 1]. */
export const score = (value) => Number(value ?? 0).toFixed(3);

/** The last part of a resource's name: its id. */
export const idOf = (name) => name.slice(name.lastIndexOf("/") + 1);
