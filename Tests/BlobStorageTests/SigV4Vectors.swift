@testable import BlobStorage

// Made by Tests/Support/sigv4-vectors with botocore. Access key AKIDEXAMPLE, secret key
// wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY, 2026-11-20T17:39:55Z (1795196395).
struct SigV4Vector: Sendable {
    var method: String
    var host: String
    /// Not encoded.
    var path: String
    var query: [(name: String, value: String)]
    var headers: [(name: String, value: String)]
    var payloadHash: String
    var region: String
    var token: String?
    var signature: String
}

let botocoreVectors: [SigV4Vector] = [
    SigV4Vector(
        method: "GET", host: "b.s3.us-east-1.amazonaws.com", path: "/",
        query: [("list-type", "2"), ("prefix", "main__")], headers: [],
        payloadHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", region: "us-east-1",
        token: nil,
        signature: "d2d021929f0e4eb3f6aa1ed51e855c05cb70f7445e579673d12420b45d7e26d8"),
    SigV4Vector(
        method: "GET", host: "127.0.0.1:9000", path: "/b",
        query: [
            ("prefix", "a b+c/ü=&"), ("list-type", "2"), ("encoding-type", "url"),
            ("continuation-token", "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM="),
        ], headers: [],
        payloadHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", region: "us-east-1",
        token: nil,
        signature: "c5d9e02b8b92a1673006f6157f939f048157e114f08c38350a0889469f0e9c73"),
    SigV4Vector(
        method: "GET", host: "127.0.0.1:9000", path: "/b",
        query: [("list-type", "2"), ("delimiter", "/"), ("start-after", "x~y.z-_ %41")], headers: [],
        payloadHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", region: "eu-central-1",
        token: nil,
        signature: "1b436ef0f7dd0172e820b8721a4857ffa1611ef3950df949d3ea9ea106b5752e"),
    SigV4Vector(
        method: "GET", host: "h", path: "/b/a b+c%d=e&f?g#h",
        query: [], headers: [],
        payloadHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", region: "us-east-1",
        token: nil,
        signature: "45f31ee188191400d3998cd58f32c7cc3d96738b9316c1c7956acfebe62f789d"),
    SigV4Vector(
        method: "GET", host: "h", path: "/b/日本//x/../y/./z",
        query: [], headers: [],
        payloadHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", region: "us-east-1",
        token: "a/session+token==",
        signature: "b7691bf76a459d82e4390875f1ddf99fda5acf433ec2c27412125e7a53a21b3d"),
    SigV4Vector(
        method: "PUT", host: "h:8333", path: "/base/b/main__ns1__20261120-173955-012345678__GX.pb.gz",
        query: [],
        headers: [
            ("Content-MD5", "kAFQmDzST7DWlj99KOF/cg=="), ("x-amz-storage-class", "STANDARD_IA"),
            ("Content-Type", "application/octet-stream"),
        ],
        payloadHash: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", region: "us-east-1",
        token: nil,
        signature: "da626b7b12e7ee5bef5b088b99ee30dec4ea9a7a65f754ec1e549273cd6181ee"),
    SigV4Vector(
        method: "PUT", host: "h", path: "/b/k(1)'!*~",
        query: [("partNumber", "10"), ("uploadId", "VXBsb2FkSUQ.+/=")], headers: [],
        payloadHash: "6e3be2c3853a78195ca157c5d1688cfc7e9ddefdcf5f6180c6f97fd5f5834170", region: "ap-southeast-2",
        token: nil,
        signature: "261f216fa5f280b4bafa92903acdae8b71b3ce91ecc3fbc54afade5ce3c17fee"),
    SigV4Vector(
        method: "POST", host: "h", path: "/b/k",
        query: [("uploads", "")], headers: [],
        payloadHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", region: "us-east-1",
        token: nil,
        signature: "461df99ebd5059d36cde79089404b2d51819b6539bf08592efce9a822040fd9d"),
    SigV4Vector(
        method: "DELETE", host: "h", path: "/b/k",
        query: [("b", "2"), ("a", "2"), ("a", "1"), ("A", "3"), ("a-", "0")],
        headers: [("x-amz-meta-text", "  two   blanks  ")],
        payloadHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", region: "us-east-1",
        token: nil,
        signature: "21e6c29482a0bf2e7da363fe447b133f166c4f32eef207bdacbb21e18459a9a4"),
    SigV4Vector(
        method: "HEAD", host: "b.s3.cn-north-1.amazonaws.com.cn", path: "/",
        query: [], headers: [],
        payloadHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", region: "cn-north-1",
        token: nil,
        signature: "754da21733d9a9eedb34e82ebdf8829e415f00cd8cf03d13b16d3c9f8f41f0e8"),
]
