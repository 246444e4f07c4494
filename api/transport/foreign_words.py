"""How refusals and failures are said in other languages than English, by stems; in lower case, for error_patterns."""

# ruff: noqa: RUF001

from __future__ import annotations

_MAKE = (
    r"(gener|g[eé]n[eé]r|crea|cria|creé|cri[eé]|erstell|erzeug|membuat|utworz|stworz|генер|созда|створ|ima[gj]"
    r"|immagin|gambar|obraz|изображ|зображ|bild)"
)
_FAULT = r"(error|erro|errore|erreur|fehler|błąd|kesalahan|ошибк\w{1,12}|помилк\w{1,12})"
_NOT = (
    r"(no se (ha )?p(ud|od)\w{1,12}|no fue posible|n[ãa]o (foi|p[ôo]de|conseg\w{1,12})|non (è|e|sono|siamo) \w{1,12}"
    r"|impossible de|imposs[ií]vel|imposible|impossibile|gagal|[ée]chec\w{0,12}|falha|fall[oó]"
    r"|konnten?( \w{1,12})? nicht|nie uda\w{1,12}|не удал\w{1,12}|не вдал\w{1,12})"
)
_MONEY = (
    r"(saldo|cr[eé]dit|solde|fondos|fonds|fundos|guthaben|bakiye|kredi|środk|kredyt|баланс|средств|кредит"
    r"|коштів|токенов|số dư|餘額|クレジット|残高|ポイント|크레딧|잔액|포인트|[点點][数數]|积分)"
)
_LACK = (
    r"(insuf|suficient|yetersiz|tükendi|(tidak|nicht) (cukup|aus|gen)|reicht nicht|aufgebraucht|erschöpft"
    r"|agotad|esgotad|[ée]puis|niewystarcz|недоста|законч|không đủ|(?<!\w)kein|zu wenig|nicht gen|unzureich"
    r"|不足|ありません|부족|없습)"
)
_KEY = (
    r"(api.{0,3}(key|ключ|キー|키|anahtar\w{0,12}|schl[uü]ssel|[金密][钥鑰])|(chave|clave|clé|chiave|klucz"
    r"|kunci) (de |da |d')?(la )?api|token|令牌|密[钥鑰]|金鑰)"
)
_BAD = (
    r"(inv[áàã]lid|invalid[eao]\b|n(o|ão|on) v[aá]lid|geçersiz|ungültig|неверн|недейств|nieprawid|không hợp lệ"
    r"|tidak valid|無効|不正|정확|올바르지|유효하지|잘못|[无無]效|[过過]期|失效|错误|錯誤)"
)
CREDIT = (
    rf"{_MONEY}\w{{0,12}}.{{0,16}}{_LACK}|{_LACK}\w{{0,12}}.{{0,8}}{_MONEY}|クレジット.{{0,4}}追加|残高|利用上限"
    r"|次[数數].{0,4}(用完|不足|耗[尽盡])|套餐.{0,4}(到期|[过過]期|用完)|[续續][费費]|[储儲]值"  # Chinese
    r"|欠[费費]|充值|积分不|资源包.{0,4}(耗尽|用完)"
)
BAD_KEY = rf"{_KEY}.{{0,8}}{_BAD}|{_BAD}\w{{0,12}}.{{0,4}}{_KEY}"
MODERATED = (
    r"(infring|infrac|infrang|violaz|violaç|viola |наруш|порушен|ihlal|vi phạm|verst[oö](ß|ss)|verletz|widersp"
    r"|違反|抵触|反し|위반|위배).{0,60}(pol[ií]ti|norm[ae]s?\b|reglas?\b|règl|richtlinie|diretriz|правил"
    r"|политик|політик|chính sách|정책)"
    r"|(pol[ií]ti[ck]|richtlinie|политик|політик|nội dung|정책|ポリシー|規約|ガイドライン).{0,40}(infring"
    r"|violaz|violaç|наруш|порушен|ihlal|vi phạm|verst[oö](ß|ss)|verletz|違反|抵触|反し|위반|위배)"
    r"|модерац|pol[ií]tica de (uso|conte)|politique d(e |['’])(contenu|utilis|usage|sécu|modé)|mod(ération"
    r"|era[cç])"
    r"|不適切な ?(コンテ|表現|内容|画像|プロン)|부적절한 (콘텐|내용|이미지|프롬|표현)"
    r"|敏感|[违違][规規法禁]|[审審]核|内容安全|色情|低俗|版[权權](?!所有)|侵[权權]|合规问题"  # Chinese
    r"|[违違]反.{0,20}(内容|內容|政策|安全|[规規法]|准则)|(?<!尺寸)(?<!参数)(?<!格式)(?<!大小)不合规"
)
FAILED = (
    rf"{_FAULT} (al|ao|na|en la|nella|durante|lors|bei|beim|podczas|saat|при|під час|во время) .{{0,20}}{_MAKE}"
    rf"|{_NOT} .{{0,25}}{_MAKE}|{_MAKE}\w{{0,12}} .{{0,24}}(fehlgeschl|gagal|fall[oóií]|échou|başarısız|thất bại)"
    r"|(ocurri|ocorreu|verificat|survenu|aufgetreten|wystąpi|terjadi|произош|возник|сталас).{0,30}(err|fehler"
    r"|błąd|kesalahan|ошибк|помилк)|(err|fehler|ошибк)\w{0,12} .{0,12}(ocurri|ocorreu|survenu|aufgetreten"
    r"|inesperad|inattend|imprevist)|unerwarteter fehler"
    r"|(error|erro|erreur|errore) (intern|de[l]? s(erv|ist))|interner? (server)?fehler|внутренняя ошибка"
    r"|ошибка (сервера|генерации)"
    r"|zeit(ü|ue)berschreitung|tiempo de espera|tempo (limite|esgot|de espera|scaduto)"
    r"|d[ée]lai.{0,14} d[ée]pass|время ожидания|час очікування|zaman aşım|hết thời gian|waktu habis"
    r"|(oluşturul|üretil)\w{0,12}mad|bir hata|(sunucu|sistem) hata|(tạo|xử lý).{0,15}(thất bại"  # Turkish, Vietnamese
    r"|lỗi)|lỗi (hệ thống|máy chủ|khi)"
    r"|(生成|処理|サーバー?|内部|システム|通信).{0,6}(失敗|エラー|問題が発生)"
    r"|タイムアウト|^エラーが発生|(予期しない|処理中に"  # Japanese
    r"|不明な)エラー|(生成|作成|取得)できませんでした"
    r"|(생성|처리|서버|내부|시스템).{0,8}(실패|오류|못했|초과)|생성하지 못|시간.{0,2} ?초과"  # Korean
    r"|오류가 발생"
    r"|生成.{0,5}(错误|錯誤)"
    r"|[请請]求[逾超][时時]|系[统統][错錯][误誤]|伺服器.{0,4}([错錯][误誤]|異常)|[图圖][像片]创建失败"  # Chinese
    r"|返回.{0,6}为空|下载(结果|生成).{0,6}失败|请求失败(?!.*(参数|无效|不支持|不能|必须|格式))"
)
UNKNOWN = r"[\u0590-\u0dff\u0e00-\u0fff]"  # Hebrew, Arabic, Indian languages, Thai: no word of theirs is known
OF_THE_REQUEST = (  # parameters, their form and size, what is wrong, needed or not supported
    r"par[áâ]m|параметр|формат|размер|недопуст|неверн|поддерж|taman|tamañ|taille|größe|ungültig|unterstütz|en charge"
    r"|admit|soport|パラメ|形式|サイズ|不正|無効|対応|必須|長すぎ|파라미터|매개변수|형식|크기|잘못|올바르|지원|필수"
    r"|[参參][数數]|[无無]效|格式|尺寸|大小|[过過][大长長多]|[为為]空|不支[持援]|不能|必[须須]|分辨率|解析度"
)
