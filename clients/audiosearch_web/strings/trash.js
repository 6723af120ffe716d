/** Words of the trash of a library. */

const clipsOf = (count) => (String(count) === "1" ? "1 clip" : `${count} clips`);

export const strings = {
  en: {
    title: "Trash",
    show: "Show",
    hide: "Hide",
    holds: ({ count }) =>
      `${clipsOf(count)} deleted. No search finds them, and they can be restored for a time.`,
    progress: "Progress",
    more: "Show more",
    restoreAll: "Restore all",
    empty: "Empty the trash",
    until: ({ at }) => `Kept until ${at}`,
    deleted: ({ at }) => `Deleted on ${at}`,
    restore: ({ name }) => `Restore ${name}`,
    delete: ({ name }) => `Delete ${name} for good`,
    deleteTitle: ({ name }) => `Delete ${name} for good`,
    deleteWhat: "This can't be undone.",
    emptyWhat: ({ count }) => `${clipsOf(count)} will be deleted for good. This can't be undone.`,
    deleteGood: "Delete for good",
    deletedGood: ({ count }) => `${clipsOf(count)} deleted for good.`,
  },
  zh: {
    title: "回收站",
    show: "显示",
    hide: "隐藏",
    holds: ({ count }) => `已删除 ${count} 个片段。搜索不会找到它们，在一段时间内可以恢复。`,
    progress: "进度",
    more: "显示更多",
    restoreAll: "全部恢复",
    empty: "清空回收站",
    until: ({ at }) => `保留至 ${at}`,
    deleted: ({ at }) => `删除于 ${at}`,
    restore: ({ name }) => `恢复 ${name}`,
    delete: ({ name }) => `永久删除 ${name}`,
    deleteTitle: ({ name }) => `永久删除 ${name}`,
    deleteWhat: "此操作无法撤销。",
    emptyWhat: ({ count }) => `将永久删除 ${count} 个片段。此操作无法撤销。`,
    deleteGood: "永久删除",
    deletedGood: ({ count }) => `已永久删除 ${count} 个片段。`,
  },
};
