/** Each reason in words for the person in front of the page, and what to do. */

export const failures = {
  en: {
    again: "Try again",
    unexpected: "Something went wrong.",
    FIELD_INVALID: "Something in this request isn't right.",
    AUDIO_TOO_SHORT: "This sound is too short. Use at least a tenth of a second.",
    AUDIO_TOO_LONG: "This sound is too long. Cut out the part that matters.",
    AUDIO_UNDECODABLE:
      "This file can't be read as a sound. Try wav, flac, mp3, ogg, opus, m4a, aiff or webm.",
    AUDIO_SILENT: "Nothing can be heard in this sound. Record it again, closer or louder.",
    BODY_TOO_LARGE: "This file is larger than the server takes.",
    LIBRARY_NOT_FOUND: "This library isn't there. It may have been deleted.",
    CLIP_NOT_FOUND: "This clip isn't there any more. It may have been deleted.",
    AUDIO_NOT_FOUND: "This clip has no audio.",
    MODEL_NOT_FOUND: "The server doesn't run this model.",
    IMPORT_JOB_NOT_FOUND: "This import isn't there any more.",
    PATH_NOT_FOUND: "There is no such folder on the server.",
    KEY_MISSING: "This server asks for an API key.",
    KEY_INVALID: "The server doesn't know this API key.",
    RIGHT_MISSING:
      "Your API key doesn't allow this. Ask whoever runs the server for a key that does.",
    PATH_NOT_ALLOWED:
      "The server may not read this folder. Drop the files here instead, or ask its operator to " +
      "allow it.",
    LIBRARY_EXISTS: "There is a library of this name. Choose another one.",
    CLIP_EXISTS: "The library has this sound already.",
    MODEL_MISMATCH:
      "This library was made with another model than the server runs now. Import its sounds " +
      "into a new library.",
    LIBRARY_NOT_EMPTY: "The library still has clips.",
    SPEAKER_NOT_FOUND: "This speaker isn't there. It may have been deleted.",
    SPEAKER_EXISTS: "Somebody is enrolled under this id already. Choose another one.",
    SPEAKER_NOT_ENROLLED: "This speaker has no recordings to compare with. Enroll one first.",
    SPEAKERS_TOO_FEW:
      "There are too few recordings of known speakers to measure this. Enroll more speakers, or " +
      "import clips that say whose they are.",
    CLIP_ENROLLED: "This recording is an enrollment of somebody else. Take it out there first.",
    VOICE_MISMATCH: "This sounds like another voice than the enrollments before it.",
    CALIBRATION_NOT_FOUND: "This library has no calibration any more.",
    STATE_CONFLICT: "This is just being changed or deleted. Look again in a moment.",
    ENCODER_BUSY: "The server is listening to many sounds right now. Try again in a moment.",
    CATALOG_BUSY: "The server is busy right now. Try again in a moment.",
    INDEX_BUSY: "The server is busy right now. Try again in a moment.",
    GATEWAY_BUSY: "The server is busy right now. Try again in a moment.",
    STORAGE_FULL: "The server's disk is full. Tell whoever runs it.",
    INDEX_UNAVAILABLE:
      "The index of sounds doesn't answer. Searching will work again when it is back.",
    CATALOG_UNAVAILABLE:
      "The catalog doesn't answer. It will work again when its database is back.",
    EMBEDDING_UNAVAILABLE:
      "The service that listens to sounds doesn't answer. It will work again when it is back.",
    GATEWAY_UNAVAILABLE: "The server is stopping or starting. Try again in a moment.",
    DEADLINE_EXCEEDED: "This took too long. Try again in a moment.",
    INTERNAL: "The server met an error of its own. Its log says which.",
    CONNECTION_LOST: "The connection breaks off again and again. Try again in a moment.",
    NOT_SENT:
      "This could not be sent. If it is a file, it may have changed or moved: choose it again.",
    OPERATION_FAILED: "The import could not go on. What was imported stays.",
    MIC_REFUSED:
      "The browser was not allowed to use the microphone. Allow it in the address bar, then " +
      "record again.",
    MIC_MISSING: "No microphone was found. Connect one, or choose a file.",
    MIC_INSECURE:
      "Browsers let a page record only over https or on the machine itself. Open this page by " +
      "https, or choose a file.",
    MIC_UNSUPPORTED: "This browser can't record. Choose a file instead.",
    MIC_BUSY: "The microphone can't be used. Another program may have it.",
  },
  zh: {
    again: "重试",
    unexpected: "出了点问题。",
    FIELD_INVALID: "请求中有不正确的内容。",
    AUDIO_TOO_SHORT: "这段声音太短，至少需要十分之一秒。",
    AUDIO_TOO_LONG: "这段声音太长，请截取需要的部分。",
    AUDIO_UNDECODABLE:
      "无法把这个文件作为声音读取。请使用 wav、flac、mp3、ogg、opus、m4a、aiff 或 webm。",
    AUDIO_SILENT: "这段声音里什么也听不到。请靠近一些或大声一些，重新录制。",
    BODY_TOO_LARGE: "文件超过了服务器允许的大小。",
    LIBRARY_NOT_FOUND: "没有这个库，可能已被删除。",
    CLIP_NOT_FOUND: "这个片段已经不在了，可能已被删除。",
    AUDIO_NOT_FOUND: "这个片段没有音频。",
    MODEL_NOT_FOUND: "服务器没有运行这个模型。",
    IMPORT_JOB_NOT_FOUND: "这次导入已经不在了。",
    PATH_NOT_FOUND: "服务器上没有这个目录。",
    KEY_MISSING: "服务器需要 API 密钥。",
    KEY_INVALID: "服务器不认识这个 API 密钥。",
    RIGHT_MISSING: "您的 API 密钥没有这项权限，请向服务器的管理者索取。",
    PATH_NOT_ALLOWED: "服务器不允许读取这个目录。请把文件拖到这里，或请管理者允许读取。",
    LIBRARY_EXISTS: "已有同名的库，请换一个名字。",
    CLIP_EXISTS: "库里已有这段声音。",
    MODEL_MISMATCH: "这个库是用另一个模型建立的。请把它的声音导入一个新库。",
    LIBRARY_NOT_EMPTY: "库里还有片段。",
    SPEAKER_NOT_FOUND: "没有这位说话人，可能已被删除。",
    SPEAKER_EXISTS: "这个标识下已经登记了一个人，请换一个。",
    SPEAKER_NOT_ENROLLED: "这位说话人没有可比较的录音，请先登记一段。",
    SPEAKERS_TOO_FEW: "说话人已知的录音太少，无法测量。请登记更多的人，或导入注明说话人的片段。",
    CLIP_ENROLLED: "这段录音是另一个人的登记录音，请先在那里移出。",
    VOICE_MISMATCH: "这听起来与之前的登记录音不是同一个声音。",
    CALIBRATION_NOT_FOUND: "这个库已经没有校准了。",
    STATE_CONFLICT: "它正在被修改或删除，请稍后再看。",
    ENCODER_BUSY: "服务器正在听很多声音，请稍后重试。",
    CATALOG_BUSY: "服务器正忙，请稍后重试。",
    INDEX_BUSY: "服务器正忙，请稍后重试。",
    GATEWAY_BUSY: "服务器正忙，请稍后重试。",
    STORAGE_FULL: "服务器的磁盘已满，请告诉管理者。",
    INDEX_UNAVAILABLE: "索引没有应答；恢复后即可检索。",
    CATALOG_UNAVAILABLE: "目录服务没有应答；数据库恢复后即可使用。",
    EMBEDDING_UNAVAILABLE: "听声音的服务没有应答；恢复后即可使用。",
    GATEWAY_UNAVAILABLE: "服务器正在停止或启动，请稍后重试。",
    DEADLINE_EXCEEDED: "用时过长，请稍后重试。",
    INTERNAL: "服务器内部出错，原因在它的日志里。",
    CONNECTION_LOST: "连接一再中断，请稍后再试。",
    NOT_SENT: "无法发送。如果是文件，它可能已被修改或移动，请重新选择。",
    OPERATION_FAILED: "导入无法继续；已导入的会保留。",
    MIC_REFUSED: "浏览器没有使用麦克风的许可。请在地址栏允许，然后重新录音。",
    MIC_MISSING: "没有找到麦克风。请连接麦克风，或选择文件。",
    MIC_INSECURE:
      "浏览器只允许通过 https 或在本机打开的页面录音。请用 https 打开本页，或选择文件。",
    MIC_UNSUPPORTED: "这个浏览器不能录音，请选择文件。",
    MIC_BUSY: "无法使用麦克风，可能被其他程序占用。",
  },
};
