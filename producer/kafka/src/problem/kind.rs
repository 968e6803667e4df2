//! The kinds of problem, with what they mean in both languages. Their names are part of the
//! interface: `type` is `/problems/NAME`, a path that explains them.

use axum::http::StatusCode;

use super::language::{Language, Words};

macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident = $name:literal $status:ident: $title:literal, $judul:literal;
        $explanation:literal, $penjelasan:literal;)*) => {
        /// A kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$meta])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The path that explains it, and its `type`.
            pub const fn path(self) -> &'static str {
                match self { $(Self::$kind => concat!("/problems/", $name),)* }
            }

            /// The HTTP status that it has as a rule.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// What it is, in a few words.
            pub fn title(self) -> Words {
                match self { $(Self::$kind => Words::new($title, $judul),)* }
            }

            /// What it means, and what to do about it.
            pub fn explanation(self) -> Words {
                match self { $(Self::$kind => Words::new($explanation, $penjelasan),)* }
            }
        }
    };
}

kinds! {
    /// A parameter that is unknown, missing, double, or not of the right shape.
    BadParameter = "bad-parameter" BAD_REQUEST:
        "A parameter cannot be used", "Parameter tidak dapat dipakai";
        "The member 'parameter' names the query parameter. A parameter that is not known is refused, so that a slip of the pen never answers another question.",
        "Anggota 'parameter' menyebut nama parameter itu. Parameter yang tidak dikenal ditolak, supaya salah ketik tidak pernah menjawab pertanyaan lain.";
    /// A region code of the wrong shape.
    BadRegionCode = "bad-region-code" BAD_REQUEST:
        "Not a region code", "Bukan kode wilayah";
        "A regency or city is written like 18.71, a province like 18, the nation ID.",
        "Kabupaten atau kota ditulis seperti 18.71, provinsi seperti 18, nasional ID.";
    /// A well-formed code that is nobody's.
    UnknownRegion = "unknown-region" NOT_FOUND:
        "No such region", "Wilayah tidak ada";
        "The code is well formed, but not in Kepmendagri 300.2.2-2138/2025. /v1/regions lists every code.",
        "Bentuk kodenya benar, tetapi tidak ada dalam Kepmendagri 300.2.2-2138/2025. Semua kode ada di /v1/regions.";
    /// A kiosk that nothing was ever heard of.
    UnknownKiosk = "unknown-kiosk" NOT_FOUND:
        "No such kiosk", "Kios tidak dikenal";
        "Neither an event nor a status of this kiosk has come in. /v1/kiosks lists every kiosk heard of; an id is taken as it is, upper and lower case apart.",
        "Belum ada peristiwa maupun status yang masuk dari kios ini. /v1/kiosks memuat semua kios yang pernah terdengar; huruf besar dan huruf kecil dibedakan.";
    /// An outreach visit at which nobody was served.
    UnknownOutreach = "unknown-outreach" NOT_FOUND:
        "No such outreach visit", "Kunjungan jemput bola tidak ada";
        "No activation and no deferral names this visit, as far as the days asked for go. /v1/outreach lists visits; an id is taken as it is, upper and lower case apart.",
        "Tidak ada aktivasi maupun penundaan yang menyebut kunjungan ini pada hari-hari yang ditanyakan. /v1/outreach memuat daftar kunjungan; huruf besar dan huruf kecil dibedakan.";
    /// A figure that was never quoted.
    UnknownFigure = "unknown-figure" NOT_FOUND:
        "No such figure", "Angka tidak ada";
        "No figure has this id. /v1/figures lists the latest; an id comes with the answer to POST /v1/figures.",
        "Tidak ada angka dengan id ini. /v1/figures memuat yang terbaru; id diberikan dalam jawaban atas POST /v1/figures.";
    /// A figure whose record is not what was quoted.
    DamagedFigure = "damaged-figure" INTERNAL_SERVER_ERROR:
        "The figure is not what was quoted", "Angka ini bukan yang pernah dikutip";
        "A figure bears a digest over what it says, and its id is made of it. The only record under this id does not fit its own: it was changed, or cannot be read. It is not shown, because it is not what was quoted.",
        "Setiap angka membawa sidik dari isinya, dan id-nya dibuat dari sidik itu. Satu-satunya catatan dengan id ini tidak cocok dengan sidiknya: catatan itu diubah, atau tidak terbaca. Angka itu tidak ditampilkan karena bukan yang pernah dikutip.";
    /// A figure that is not known to be stored.
    FigureNotStored = "figure-not-stored" SERVICE_UNAVAILABLE:
        "The figure is not known to be stored", "Belum pasti angka tersimpan";
        "Kafka has not confirmed the figure. It may have arrived all the same; quoting the same answer again does no harm, as the same answer has the same id.",
        "Kafka belum memastikan angka ini. Bisa jadi angka itu tetap sampai; mengutip jawaban yang sama sekali lagi tidak merugikan, karena jawaban yang sama punya id yang sama.";
    /// A figure that is stored, and that this node has not read yet.
    FigureNotReadBack = "figure-not-read-back" GATEWAY_TIMEOUT:
        "The figure is stored, and not here yet", "Angka sudah tersimpan, tetapi belum sampai di sini";
        "Kafka has confirmed the figure, and the node answers what it has read from there. It is a matter of time.",
        "Kafka sudah memastikan angka ini, sedangkan simpul ini menjawab dari apa yang sudah dibacanya. Tunggu sebentar.";
    /// A body that is not what is asked for.
    BadBody = "bad-body" BAD_REQUEST:
        "The request's body cannot be used", "Isi permintaan tidak dapat dipakai";
        "The body is JSON as the interface describes it. The member 'field', where it is there, names the field that cannot be used; a field that is not known is refused, so that a slip of the pen never says something else.",
        "Isi permintaan adalah JSON seperti yang dijelaskan antarmuka ini. Anggota 'field', jika ada, menyebut isian yang tidak dapat dipakai; isian yang tidak dikenal ditolak, supaya salah ketik tidak pernah berarti lain.";
    /// A body of a kind that is not read.
    UnsupportedMediaType = "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE:
        "The body is of another kind", "Jenis isi permintaan tidak didukung";
        "Send Content-Type: application/json. The agent at a kiosk also takes application/x-ndjson, an event a line.",
        "Kirim Content-Type: application/json. Agen di kios juga menerima application/x-ndjson, satu peristiwa per baris.";
    /// A body of more bytes than are taken.
    BodyTooLarge = "body-too-large" PAYLOAD_TOO_LARGE:
        "The request is too large", "Permintaan terlalu besar";
        "Send less at once: the events of a large batch in several requests.",
        "Kirim lebih sedikit sekaligus: bagi kumpulan besar menjadi beberapa permintaan.";
    /// A request that stopped coming.
    RequestTimedOut = "request-timed-out" REQUEST_TIMEOUT:
        "The request did not come in time", "Permintaan tidak datang tepat waktu";
        "The rest of the request was waited for and did not come. Send it again.",
        "Sisa permintaan ditunggu, tetapi tidak datang. Kirim sekali lagi.";
    /// Nothing is at this path.
    NotFound = "not-found" NOT_FOUND:
        "Nothing is here", "Tidak ada apa-apa di sini";
        "No resource has this path. All that is answered is below /v1.",
        "Alamat ini tidak ada. Semua jawaban ada di bawah /v1.";
    /// Something is at this path, and does not take this method.
    MethodNotAllowed = "method-not-allowed" METHOD_NOT_ALLOWED:
        "Not with this method", "Metode ini tidak diterima";
        "The header Allow names the methods that the path takes.",
        "Metode yang diterima alamat ini disebut di tajuk Allow.";
    /// Not enough is known yet to answer figures.
    NotReady = "not-ready" SERVICE_UNAVAILABLE:
        "Not ready to answer figures", "Belum siap menjawab angka";
        "A node answers figures once it holds every partition of the events topic, has caught up with each, and has read the reference and kiosk status topics; it never answers with a part of the sum. /readyz tells how far it is. Figures once quoted are answered once the figures topic has been read.",
        "Simpul ini menjawab angka setelah memegang semua partisi topik peristiwa, sudah menyusul semuanya, dan sudah membaca topik acuan dan status kios; ia tidak pernah menjawab dengan sebagian jumlah. /readyz memberi tahu sejauh mana. Angka yang pernah dikutip dijawab setelah topik angka dibaca.";
    /// As many readers follow the live stream as are taken.
    TooManyReaders = "too-many-readers" SERVICE_UNAVAILABLE:
        "Too many readers of the live stream", "Terlalu banyak pembaca aliran langsung";
        "A node takes so many readers of its live stream and no more (--stream-readers). Ask again later, or another node.",
        "Jumlah pembaca aliran langsung pada satu simpul terbatas (--stream-readers). Coba lagi nanti, atau tanya simpul lain.";
    /// The answer took too long.
    TimedOut = "timed-out" SERVICE_UNAVAILABLE:
        "The answer took too long", "Jawaban terlalu lama";
        "The node is overloaded. Ask again later, or for less at once.",
        "Simpul ini kelebihan beban. Coba lagi nanti, atau minta lebih sedikit sekaligus.";
    /// No token, or one that lets nobody in.
    Unauthorized = "unauthorized" UNAUTHORIZED:
        "A token is needed", "Perlu token";
        "Send 'Authorization: Bearer TOKEN', or in a browser any user name and the token as the password. Whoever runs the node makes tokens: laju token new.",
        "Kirim 'Authorization: Bearer TOKEN', atau di peramban isi nama pengguna apa saja dan token sebagai kata sandi. Token dibuat oleh pengelola simpul: laju token new.";
    /// A token that is good for less.
    Forbidden = "forbidden" FORBIDDEN:
        "Not with this token", "Token ini tidak cukup";
        "Putting a figure on record takes a token of the role quote.",
        "Untuk mencatat angka kutipan diperlukan token dengan peran quote.";
    /// A change that a page of another site asks for.
    CrossSite = "cross-site" FORBIDDEN:
        "Not from another site", "Tidak dari situs lain";
        "A browser sent this for a page of another origin. At a worker such a page may at most read; at a kiosk's agent only pages of origins that were allowed by name (--allow-origin) may ask at all.",
        "Peramban mengirim ini untuk halaman dari situs lain. Pada worker, halaman seperti itu paling jauh boleh membaca; pada agen kios hanya halaman yang diizinkan dengan nama (--allow-origin) boleh meminta.";
    /// A request that was meant for another host.
    ForeignHost = "foreign-host" MISDIRECTED_REQUEST:
        "Not under this name", "Tidak dengan nama ini";
        "A worker without tokens, and a kiosk's agent, answer to the names of their own machine only, so that no page can reach them under a name that points there (DNS rebinding).",
        "Worker tanpa token dan agen kios hanya menjawab nama mesinnya sendiri, supaya tidak ada halaman yang mencapainya lewat nama lain yang menunjuk ke sana (DNS rebinding).";
    /// More requests than a client may send.
    TooManyRequests = "too-many-requests" TOO_MANY_REQUESTS:
        "Too many requests", "Terlalu banyak permintaan";
        "The node takes so many requests a second of one client. The header Retry-After says when there is room again.",
        "Jumlah permintaan per detik dari satu klien terbatas. Tajuk Retry-After menyebut kapan boleh lagi.";
    /// A request that cannot be taken for another reason.
    BadRequest = "bad-request" BAD_REQUEST:
        "The request cannot be taken", "Permintaan tidak dapat diterima";
        "The request as a whole cannot be taken; see its status.",
        "Permintaan ini secara keseluruhan tidak dapat diterima; lihat statusnya.";
    /// A fault of the program.
    Internal = "internal" INTERNAL_SERVER_ERROR:
        "A fault of the program", "Kesalahan program";
        "The log of the program says more.",
        "Penjelasan lebih lanjut ada di catatan (log) program.";
    /// An event that cannot be accepted.
    BadEvent = "bad-event" UNPROCESSABLE_ENTITY:
        "The event cannot be accepted", "Peristiwa tidak dapat diterima";
        "The member 'field' names what is wrong with it. Nothing of it was stored; correct it and send it again.",
        "Anggota 'field' menyebut isian yang salah. Tidak ada yang disimpan; perbaiki lalu kirim lagi.";
    /// An event that this kiosk does not know.
    UnknownEvent = "unknown-event" NOT_FOUND:
        "No such event", "Peristiwa tidak dikenal";
        "This kiosk has no event of this id, or shipped it too long ago to remember. A worker knows every event: /v1/events/ID there.",
        "Kios ini tidak punya peristiwa dengan id ini, atau sudah terlalu lama dikirim untuk diingat. Worker mengenal semua peristiwa: /v1/events/ID di sana.";
    /// An idempotency key that another event has.
    KeyReused = "key-reused" CONFLICT:
        "The idempotency key is another event's", "Kunci idempotensi sudah dipakai peristiwa lain";
        "The same key with the same content is a repetition and answered as before. This content is another: the member 'event_id' names the event that has the key.",
        "Kunci yang sama dengan isi yang sama adalah pengulangan dan dijawab seperti sebelumnya. Isi yang ini lain: anggota 'event_id' menyebut peristiwa yang memakai kunci itu.";
    /// No room is left for events.
    OutboxFull = "outbox-full" INSUFFICIENT_STORAGE:
        "No room for more events", "Tidak ada tempat lagi untuk peristiwa";
        "The outbox or its disk is full. Events that were accepted before are safe and are sent as soon as Kafka can be reached, which makes room; this one was not taken.",
        "Kotak keluar atau disknya penuh. Peristiwa yang sudah diterima tetap aman dan dikirim begitu Kafka terjangkau, lalu ada tempat lagi; yang ini tidak diterima.";
    /// A kiosk's clock that cannot be right.
    WrongClock = "wrong-clock" SERVICE_UNAVAILABLE:
        "The kiosk's clock is wrong", "Jam kios salah";
        "Nothing was taken. Set the clock (NTP) or connect the kiosk, then send the event again as it is; with its occurred_at it can be taken now.",
        "Tidak ada yang diterima. Setel jam (NTP) atau sambungkan kios, lalu kirim peristiwa itu lagi apa adanya; dengan occurred_at peristiwa itu dapat diterima sekarang.";
    /// Something that passes: the same request may be sent again.
    Unavailable = "unavailable" SERVICE_UNAVAILABLE:
        "Not now", "Belum bisa sekarang";
        "The request may be sent again as it is, with the same idempotency key.",
        "Permintaan boleh dikirim lagi apa adanya, dengan kunci idempotensi yang sama.";
}

impl Kind {
    /// The kind of that name: the last part of its path.
    pub fn of_name(name: &str) -> Option<Self> {
        let has_name = |kind: &&Self| kind.path().strip_prefix("/problems/") == Some(name);
        Self::ALL.iter().find(has_name).copied()
    }

    /// After how many seconds to ask again, where it is only a matter of time.
    pub(super) const fn retry_after(self) -> Option<u64> {
        match self {
            Self::NotReady
            | Self::TooManyReaders
            | Self::TimedOut
            | Self::FigureNotStored
            | Self::FigureNotReadBack => Some(2),
            // How long a clock may take to be set or confirmed.
            Self::WrongClock => Some(30),
            _ => None,
        }
    }

    /// The kind of an error that a layer or an extractor says no more of than its status.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimedOut,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_server_error() => Self::Internal,
            _ => Self::BadRequest,
        }
    }

    /// As the interface shows it: path, title and explanation.
    pub fn told(self, language: Language) -> (&'static str, String, String) {
        let said = |words: Words| words.to(language).to_owned();
        (self.path(), said(self.title()), said(self.explanation()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_words_in_both_languages() {
        let mut names = HashSet::new();
        for kind in Kind::ALL {
            let name = kind.path().strip_prefix("/problems/").unwrap();
            assert!(names.insert(name), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
            assert_eq!(Kind::of_name(name), Some(*kind));
            for words in [kind.title(), kind.explanation()] {
                let (en, id) = (words.to(Language::English), words.to(Language::Indonesian));
                assert!(!en.is_empty() && !id.is_empty() && en != id, "{name}");
            }
        }
        assert_eq!(Kind::of_name("nothing"), None);
    }
}
