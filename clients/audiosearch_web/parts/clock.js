/** Places in a recording as people write them: 1:12, 01:12.5, 1:02:03 or seconds alone. */

/** 72.5 as "01:12.5" with one digit, and as "01:12" with none; hours only where there are some. */
export function clock(value, digits = 0) {
  const scale = 10 ** digits;
  const units = Math.round(Math.max(value, 0) * scale);
  const whole = Math.floor(units / scale);
  const parts = [Math.floor(whole / 60) % 60, whole % 60];
  if (whole >= 3600) parts.unshift(Math.floor(whole / 3600));
  const written = parts.map((part) => String(part).padStart(2, "0")).join(":");
  const rest = units % scale;
  return rest ? `${written}.${String(rest).padStart(digits, "0").replace(/0+$/, "")}` : written;
}

/** The seconds of what somebody wrote; undefined if it is no place in a recording. */
export function secondsOf(text) {
  const found = /^(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,5}(?:[.,]\d{1,3})?)$/.exec(text.trim());
  if (!found) return undefined;
  const [hours, minutes, seconds] = found.slice(1).map((part) =>
    Number((part ?? "0").replace(",", "."))
  );
  return hours * 3600 + minutes * 60 + seconds;
}
