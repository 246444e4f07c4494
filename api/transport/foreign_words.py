"""How refusals and failures are said in other languages than English, by stems, in lower case.

Each constant says in other languages what that of the same name in the other modules of words says in English.
"""

# ruff: noqa: RUF001 - Chinese has stops and letters of its own

from __future__ import annotations

from .phrases import any_of

# --- refusals: the prompt or the picture ---
_VIOLATES = any_of(
    r"infring|infrac|infrang|violaz|violaç|viola ",
    r"наруш|порушен",
    r"ihlal",  # Turkish
    r"vi phạm",
    r"verst[oö](ß|ss)|verletz|widersp",
    r"違反|抵触|反し",  # Japanese
    r"위반|위배",
)
_RULES = any_of(
    r"pol[ií]ti|norm[ae]s?\b|reglas?\b|règl|richtlinie|diretriz",
    r"правил|политик|політик",
    r"chính sách",
    r"정책",
)
_RULES_FIRST = any_of(  # in languages that put them before what violates them
    r"pol[ií]ti[ck]|richtlinie",
    r"политик|політик",
    r"nội dung",
    r"정책",
    r"ポリシー|規約|ガイドライン",
)
_VIOLATED = any_of(
    r"infring|violaz|violaç",
    r"наруш|порушен",
    r"ihlal",
    r"vi phạm",
    r"verst[oö](ß|ss)|verletz",
    r"違反|抵触|反し",
    r"위반|위배",
)
MODERATED = any_of(
    rf"{_VIOLATES}.{{0,60}}{_RULES}",
    rf"{_RULES_FIRST}.{{0,40}}{_VIOLATED}",
    r"модерац",
    r"pol[ií]tica de (uso|conte)",
    r"politique d(e |['’])(contenu|utilis|usage|sécu|modé)",
    r"mod(ération|era[cç])",
    # Japanese, Korean
    r"不適切な ?(コンテ|表現|内容|画像|プロン)",
    r"부적절한 (콘텐|내용|이미지|프롬|표현)",
    # Chinese
    r"敏感",
    r"色情|低俗",
    r"[审審]核",
    r"内容安全",
    r"合规问题",
    r"(?<!尺寸)(?<!参数)(?<!格式)(?<!大小)不合规",
    r"[违違][规規法禁]",
    r"[违違]反.{0,20}(内容|內容|政策|安全|[规規法]|准则)",
    r"版[权權](?!所有)|侵[权權]",
)

# --- refusals: money, keys, accounts ---
_MONEY = any_of(
    r"saldo|cr[eé]dit|solde|fondos|fonds|fundos|guthaben",
    r"bakiye|kredi",  # Turkish
    r"środk|kredyt",  # Polish
    r"баланс|средств|кредит|коштів|токенов",
    r"số dư",
    r"クレジット|残高|ポイント",
    r"크레딧|잔액|포인트",
    r"餘額|[点點][数數]|积分",  # Chinese
)
_LACK = any_of(
    r"insuf|suficient|agotad|esgotad|[ée]puis",
    r"(tidak|nicht) (cukup|aus|gen)",
    r"reicht nicht|aufgebraucht|erschöpft|(?<!\w)kein|zu wenig|unzureich",
    r"yetersiz|tükendi",
    r"niewystarcz",
    r"недоста|законч",
    r"không đủ",
    r"不足",  # Chinese, Japanese
    r"ありません",
    r"부족|없습",
)
CREDIT = any_of(
    rf"{_MONEY}\w{{0,12}}.{{0,16}}{_LACK}",
    rf"{_LACK}\w{{0,12}}.{{0,8}}{_MONEY}",
    # Japanese
    r"クレジット.{0,4}追加",
    r"残高",
    r"利用上限",
    # Chinese; the first but for what was given back
    r"(?<!退还)(?<!返还)([余餘][额額量]|[额額]度|配额)",
    r"次[数數].{0,4}(用完|不足|耗[尽盡])",
    r"套餐.{0,4}(到期|[过過]期|用完)",
    r"资源包.{0,4}(耗尽|用完)",
    r"[续續][费費]|[储儲]值|充值",
    r"欠[费費]",
    r"积分不",
)
KEY_LIMIT = r"令牌.{0,4}额度"
_KEY = any_of(
    r"api.{0,3}(key|ключ|キー|키|anahtar\w{0,12}|schl[uü]ssel|[金密][钥鑰])",
    r"(chave|clave|clé|chiave|klucz|kunci) (de |da |d')?(la )?api",
    r"token",
    r"令牌|密[钥鑰]|金鑰",  # Chinese
)
_BAD = any_of(
    r"inv[áàã]lid|invalid[eao]\b|n(o|ão|on) v[aá]lid",
    r"ungültig",
    r"geçersiz",
    r"неверн|недейств",
    r"nieprawid",
    r"không hợp lệ",
    r"tidak valid",
    r"無効|不正",  # Japanese
    r"정확|올바르지|유효하지|잘못",
    r"[无無]效|[过過]期|失效|错误|錯誤",  # Chinese
)
BAD_KEY = any_of(
    rf"{_KEY}.{{0,8}}{_BAD}",
    rf"{_BAD}\w{{0,12}}.{{0,4}}{_KEY}",
)
MAY_NOT = r"令牌无权"
CLOSED = any_of(
    r"封禁",
    r"[账帐].{0,4}冻结",
)
IP_NOT_ALLOWED = any_of(
    r"\bip.{0,8}(白名单|不在)",
    r"网段",
)

# --- refusals: nobody makes it ---
NO_MODEL = r"模型.{0,4}(不存在|下线)"
WRONG_MODEL_NAME = r"模型名.{0,2}错误"
NOBODY_THERE = any_of(
    r"(无|没有)可用的?.{0,4}(渠道|通道|账号|节点|token|令牌)",
    r"队列已满",
)
RATE_LIMITED = r"限速|限流"
BUSY = r"饱和|稍后|频率"

# --- what was begun ---
_MAKE = any_of(
    r"g[eé]n[eé]r|crea|cria|creé|cri[eé]|ima[gj]|immagin",
    r"erstell|erzeug|bild",
    r"membuat|gambar",  # Indonesian
    r"utworz|stworz|obraz",  # Polish
    r"генер|созда|створ|зображ",
)
_FAULT = r"(error|erro|errore|erreur|fehler|błąd|kesalahan|ошибк\w{1,12}|помилк\w{1,12})"
_WHILE = r"(al|ao|na|en la|nella|durante|lors|bei|beim|podczas|saat|при|під час|во время)"
_COULD_NOT = any_of(
    r"no se (ha )?p(ud|od)\w{1,12}|no fue posible|imposible|fall[oó]",
    r"n[ãa]o (foi|p[ôo]de|conseg\w{1,12})|imposs[ií]vel|falha",
    r"non (è|e|sono|siamo) \w{1,12}|impossibile",
    r"impossible de|[ée]chec\w{0,12}",
    r"konnten?( \w{1,12})? nicht",
    r"gagal",
    r"nie uda\w{1,12}",
    r"не удал\w{1,12}|не вдал\w{1,12}",
)
FAILED = any_of(
    rf"{_FAULT} {_WHILE} .{{0,20}}{_MAKE}",
    rf"{_COULD_NOT} .{{0,25}}{_MAKE}",
    rf"{_MAKE}\w{{0,12}} .{{0,24}}(fehlgeschl|gagal|fall[oóií]|échou|başarısız|thất bại)",
    # an error occurred
    r"(ocurri|ocorreu|verificat|survenu|aufgetreten|wystąpi|terjadi|произош|возник|сталас)"
    + r".{0,30}(err|fehler|błąd|kesalahan|ошибк|помилк)",
    r"(err|fehler|ошибк)\w{0,12} .{0,12}(ocurri|ocorreu|survenu|aufgetreten|inesperad|inattend|imprevist)",
    r"unerwarteter fehler",
    # an error of the server
    r"(error|erro|erreur|errore) (intern|de[l]? s(erv|ist))",
    r"interner? (server)?fehler",
    r"внутренняя ошибка",
    r"ошибка (сервера|генерации)",
    # time ran out
    r"zeit(ü|ue)berschreitung",
    r"tiempo de espera",
    r"tempo (limite|esgot|de espera|scaduto)",
    r"d[ée]lai.{0,14} d[ée]pass",
    r"время ожидания|час очікування",
    r"zaman aşım|hết thời gian|waktu habis",
    # Turkish
    r"(oluşturul|üretil)\w{0,12}mad",
    r"bir hata",
    r"(sunucu|sistem) hata",
    # Vietnamese
    r"(tạo|xử lý).{0,15}(thất bại|lỗi)",
    r"lỗi (hệ thống|máy chủ|khi)",
    # Japanese
    r"(生成|処理|サーバー?|内部|システム|通信).{0,6}(失敗|エラー|問題が発生)",
    r"(生成|作成|取得)できませんでした",
    r"(予期しない|処理中に|不明な)エラー",
    r"^エラーが発生",
    r"タイムアウト",
    # Korean
    r"(생성|처리|서버|내부|시스템).{0,8}(실패|오류|못했|초과)",
    r"생성하지 못",
    r"시간.{0,2} ?초과",
    r"오류가 발생",
    # Chinese, the picture
    r"生成.{0,5}(错误|錯誤)",
    r"[图圖][像片]创建失败",
    r"返回.{0,6}为空",
    r"下载(结果|生成).{0,6}失败",
    r"生成(?!.{0,3}参数).{0,4}(失败|出错|异常)",
    r"[渲画][染图]失败",
    r"图片保存失败",
    r"结果.{0,4}(失败|异常)",
    r"(任务|处理|绘[图制]|[出作生]图|转存|结果.{0,4}上传)(?!提交|创建|参数).{0,3}(失败|异常|出错)",
    # Chinese, the server, or the way to it
    r"请求失败(?!.*(参数|无效|不支持|不能|必须|格式))",
    r"[请請]求[逾超][时時]",
    r"系[统統][错錯][误誤]",
    r"伺服器.{0,4}([错錯][误誤]|異常)",
    r"(系统|服务器?|内部|网络|上游|未知|后端|执行)(?!.{0,3}参数).{0,4}(错误|异常|失败|故障|出错)",
    r"(连接|流).{0,4}(中断|断开|结束)",
    r"错误响应",
    r"(接口|请求)(异常|出错)|^出错了|开小差",
    r"超时",
)
UNKNOWN = r"[\u0590-\u0dff\u0e00-\u0fff]"  # Hebrew, Arabic, Indian languages, Thai: no word of theirs is known
NOT_GIVEN = any_of(
    r"(未能?|没有?)(从.{0,20})?(返回|解析出|生成|产出|获取到?)(?!.{0,4}(参考|输入|上传)|.{0,8}请(上传|提供)).{0,6}(图|结果|内容|数据)",
    r"响应为空",
    r"(无法|未能|失败).{0,4}解析.{0,6}(响应|返回|上游)",
    r"解析.{0,6}响应.{0,3}失败|响应解析失败|(无法|未能)从.{0,4}(响应|返回)",
    r"上游.{0,4}([无未]响应|返回为?空)",
)
BROKEN_LINE = any_of(
    r"(错误|返回|状态)码?\W{0,3}5\d\d\b",
    r"等待.{0,10}超",
)
BROKE_OFF = any_of(
    r"已生成|生成(中|后|完)",
    r"(保存|上传|转存|结果).{0,4}失败",
    r"中断",
    r"^(?!.*(排队|等待|队列)).*超时",
)
STILL_MADE = r"准备好后"
TIMED_OUT = any_of(
    r"(任务|生成|请求|处理).{0,4}超时",
    r"(上游|接口|模型|绘[图画]|[出生]图|渲染).{0,14}超时",
)
DOWNLOAD = r"下载"
GIVEN_BACK = r"(?<![不予])(退[还回]|返还)"
CHARGED = any_of(
    r"wurde belastet",
    r"a été débité",
    r"se ha cobrado",
    # Japanese
    r"課金されま?し?た",
    r"請求済",
    # Chinese
    r"(?<!未)已(经|从.{0,4})?(扣|计费|产生费用)",
    r"费用已产生",
)
NOT_GIVEN_BACK = r"不(予|会|予以)?退"
TIME_OUT = r"超时"
MODERATION_OR_MONEY = r"审核|充值"
RUNNING = any_of(
    r"重复(提交|请求)",
    r"正在处理",
)
STREAM = r"流式"
ONLY = r"[仅只](支持|接受)"
WANTS_FIELD = r"缺少.{0,6}(参数|字段)|[a-z_]\W{0,4}必填|[a-z_]\W{0,4}(参数|字段)?不能为空"
OF_THE_REQUEST = any_of(  # parameters, their form and size, what is wrong, needed or not supported
    r"par[áâ]m|taman|tamañ|taille|größe|ungültig|unterstütz|en charge|admit|soport",
    r"параметр|формат|размер|недопуст|неверн|поддерж",
    r"パラメ|形式|サイズ|不正|無効|対応|長すぎ",
    r"파라미터|매개변수|형식|크기|잘못|올바르|지원|필수",
    r"[参參][数數]|[无無]效|格式|尺寸|大小|[过過][大长長多]|[为為]空",  # Chinese
    r"不支[持援]|不能|必[须須]|分辨率|解析度",
)
