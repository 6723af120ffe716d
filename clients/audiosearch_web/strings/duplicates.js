/** Words of the duplicates of a library. */

export const strings = {
  en: {
    title: "Duplicates",
    what: "Clips that are the same recording: copies, other formats, louder, or cut out of each " +
      "other. Nothing is deleted. Short clips that are very similar may be taken for copies.",
    look: "Look for duplicates",
    again: "Look again",
    progress: "Progress of the search for duplicates",
    looking: "Looking. Large libraries take some minutes.",
    stale: "Clips have changed. New groups are being looked for.",
    none: "No clip is in the library twice.",
    groups: ({ count, clips }) =>
      count === "1" ? `1 group of ${clips} clips` : `${count} groups, ${clips} clips in all`,
    group: ({ count }) => `${count} clips of one recording`,
    longest: "the longest",
    at: ({ start, end, at }) => `${start} to ${end}, in the longest from ${at}`,
    likeness: "Similarity",
    more: "Show more groups",
    others: ({ count }) => `${count} more clips`,
    truncated: "There are more duplicates than are kept. A part of the library was not looked at.",
    searchWith: ({ name }) => `Search with ${name}`,
    searchWithShort: "Search with it",
  },
  zh: {
    title: "重复录音",
    what:
      "同一段录音的片段：副本、其他格式、音量不同，或互相截取的片段。不会删除任何内容。非常相似的短片段可能被误认为副本。",
    look: "查找重复录音",
    again: "重新查找",
    progress: "查找重复录音的进度",
    looking: "正在查找。大库需要几分钟。",
    stale: "片段有变化，正在重新查找。",
    none: "库中没有重复的片段。",
    groups: ({ count, clips }) => `${count} 组，共 ${clips} 个片段`,
    group: ({ count }) => `同一段录音的 ${count} 个片段`,
    longest: "最长",
    at: ({ start, end, at }) => `${start} 至 ${end}，对应最长片段的 ${at} 处`,
    likeness: "相似度",
    more: "显示更多组",
    others: ({ count }) => `还有 ${count} 个片段`,
    truncated: "重复录音超过可保留的数量，库中有一部分没有检查。",
    searchWith: ({ name }) => `用 ${name} 搜索`,
    searchWithShort: "用它搜索",
  },
};
