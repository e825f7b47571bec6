//! Messages as the venue sends them, one of each kind that is read.

/// Frames of market streams, and a snapshot.
pub const MARKET_SEEDS: &[&str] = &[
    r#"{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#,
    r#"{"u":400900217,"s":"BTCUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}"#,
    r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#,
    r#"{"stream":"ethusdt@aggTrade","data":{"e":"aggTrade","E":1617566591315,"s":"ETHUSDT","a":665076760,"p":"58001.03000000","q":"0.08620500","f":745522877,"l":745522877,"T":1617566591314,"m":false,"M":true}}"#,
    r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,"b":[["61737.63000000","0.00000000"],["56854.58000000","12.5"]],"a":[["61837.64000000","1.54698000"]]}}"#,
    r#"{ "e": "depthUpdate", "E": 1672515782136, "s": "BTCUSDT", "U": 157, "u": 160, "b": [["0.0024", "10"]], "a": [["0.0026", "100"]] }"#,
    r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}"#,
    r#"{"result":null,"id":1}"#,
    r#"{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]}"#,
];

/// Frames of the private stream.
pub const USER_SEEDS: &[&str] = &[
    r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1760946670457,"s":"BTCUSDT","c":"tg000000070000000000000040","S":"BUY","o":"LIMIT","f":"GTC","q":"0.00700000","p":"1125.22000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE","X":"FILLED","r":"NONE","i":9639329831,"l":"0.00700000","z":"0.00700000","L":"1125.22000000","n":"0.00000525","N":"BNB","T":1760946670456,"t":1251701408,"I":20702626656,"w":false,"m":true,"M":true,"O":1760946669042,"Z":"7.87654000","Y":"7.87654000","Q":"0.00000000","W":1760946669042,"V":"EXPIRE_MAKER"}}"#,
    r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1644385621882,"s":"ETHUSDT","c":"tx000000070000000000000040","S":"SELL","o":"LIMIT","f":"GTC","q":"100.00000000","p":"1.00000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"tg000000070000000000000040","x":"CANCELED","X":"CANCELED","r":"NONE","i":1644622962,"l":"0.00000000","z":"0.00000000","L":"0.00000000","n":"0","N":null,"T":1644385621882,"t":-1,"I":3522443023,"w":false,"m":false,"M":false,"O":1644385612451,"Z":"0.00000000","Y":"0.00000000","Q":"0.00000000"}}"#,
    r#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1728972148778,"u":1728972148778,"B":[{"a":"BTC","f":"11818.00000000","l":"182.00000000"},{"a":"USDT","f":"10580.00000000","l":"70.00000000"}]}}"#,
    r#"{"subscriptionId":0,"event":{"e":"balanceUpdate","E":1573200697110,"a":"BTC","d":"-100.00000000","T":1573200697068}}"#,
    r#"{"event":{"e":"serverShutdown","E":1770123456789}}"#,
];

/// Answers of the WebSocket API.
pub const WS_API_SEEDS: &[&str] = &[
    r#"{"id":"p0000000000000040","status":200,"result":{"symbol":"BTCUSDT","orderId":12569099453,"orderListId":-1,"clientOrderId":"tg000000070000000000000040","transactTime":1660801715639},"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":1}]}"#,
    r#"{"id":"c0000000000000040","status":400,"error":{"code":-2011,"msg":"Unknown \"order\" sent."}}"#,
    r#"{"id":null,"status":418,"error":{"code":-1003,"msg":"IP banned until 1659146400000.","data":{"serverTime":1659142907531,"retryAfter":1659146400000}}}"#,
    r#"{"id":"q0000000000000040","status":200,"result":{"symbol":"BTCUSDT","orderId":12569099453,"orderListId":-1,"clientOrderId":"tg000000070000000000000040","price":"23416.10000000","origQty":"0.00847000","executedQty":"0.00847000","cummulativeQuoteQty":"198.33521500","status":"FILLED","timeInForce":"GTC","type":"LIMIT","side":"SELL","time":1660801715639,"updateTime":1660801717945,"isWorking":true}}"#,
    r#"{"id":"m0000000000000001","status":200,"result":[{"symbol":"BTCUSDT","id":1650422481,"orderId":12569099453,"orderListId":-1,"price":"23416.10000000","qty":"0.00635000","quoteQty":"148.69223500","commission":"0.00000000","commissionAsset":"BNB","time":1660801715793,"isBuyer":false,"isMaker":true,"isBestMatch":true}]}"#,
    r#"{"id":"b0000000000000001","status":200,"result":{"canTrade":true,"updateTime":1660801833000,"balances":[{"asset":"BTC","free":"1.3447112","locked":"0.08600000"}]}}"#,
];
