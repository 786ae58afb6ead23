// Format numbers as the command line does (spo_trace/reporters/format.py).
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

// Round halves to even, as Python does: 1.125 is 1.12.
function twoDigits(value) {
  const cents = Math.abs(value) * 100;
  let whole = Math.round(cents);
  if (cents % 1 === 0.5 && whole % 2) whole -= 1;
  return (whole / 100).toFixed(2);
}

function formatSize(bytes, signed = false) {
  let unit = 0;
  let value = bytes;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const sign = bytes < 0 ? "-" : signed && bytes > 0 ? "+" : "";
  return sign + (unit ? twoDigits(value) : twoDigits(value).replace(/\.00$/, "")) + " " + UNITS[unit];
}

const formatShare = (share) => ((100 * share).toFixed(1) + "%").replace("-0.0%", "0.0%");
const formatCount = (count, one, many = one + "s") => count.toLocaleString("en") + " " + (count === 1 ? one : many);

function formatSeconds(seconds) {
  for (const [unit, size] of [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
  ]) {
    if (seconds >= size) return seconds / size + " " + unit;
  }
  return seconds + " s";
}

// Remove the offsets, so that a flame graph merges all call sites in a function.
const functionOf = (frame) => frame.replace(/\+(0x[0-9a-f]+\/0x[0-9a-f]+|[0-9]+)/, "");
