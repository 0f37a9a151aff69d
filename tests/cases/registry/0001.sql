-- A registry of the first schema (0001), as the version that had no other left it: never changed.
-- Private team with a release, a bundle in a channel and an upload; public open with a yanked release,
-- a plain repository whose tag moved, and a blob that nothing names. Read by both databases.

INSERT INTO namespace (id, name, is_public, owner, created) VALUES (1, 'team', FALSE, 'admin', 1795475357);
INSERT INTO namespace (id, name, is_public, owner, created) VALUES (2, 'open', TRUE, 'admin', 1795475357);
INSERT INTO namespace_key (id, namespace_id, fingerprint, armored, user_ids, roles, algorithm, created, expires, is_revoked, added, added_by) VALUES (1, 1, 'F31F3F4E0BAAA818773B55C12DF181581CBC7E7F', '-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEZZIAgBYJKwYBBAHaRw8BAQdAR+LYuvtw/912Mqn++IuMXrA9TGAyto4zLwDM
Q2siWpm0QFJlY2lwZWJveCB0ZXN0IGtleSAoc2lnbmVyLCBndWFyZHMgbm90aGlu
ZykgPHNpZ25lckBleGFtcGxlLm9yZz6IkAQTFggAOBYhBPMfP04LqqgYdztVwS3x
gVgcvH5/BQJlkgCAAhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJEC3xgVgc
vH5/QSMA/iYK+GPRhn41ik/X+OqR+kGTELlMGMEI6aIVfY1NPeopAQCovQr8bC6T
YCadY8IkgQnk6ZcUlNH4fT2o9lZiOUhKDA==
=pgvR
-----END PGP PUBLIC KEY BLOCK-----
', '["Recipebox test key (signer, guards nothing) <signer@example.org>"]', '["promote", "release"]', 'ed25519', 1704067200, NULL, FALSE, 1795475357, 'admin');
INSERT INTO namespace_key (id, namespace_id, fingerprint, armored, user_ids, roles, algorithm, created, expires, is_revoked, added, added_by) VALUES (2, 2, 'F31F3F4E0BAAA818773B55C12DF181581CBC7E7F', '-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEZZIAgBYJKwYBBAHaRw8BAQdAR+LYuvtw/912Mqn++IuMXrA9TGAyto4zLwDM
Q2siWpm0QFJlY2lwZWJveCB0ZXN0IGtleSAoc2lnbmVyLCBndWFyZHMgbm90aGlu
ZykgPHNpZ25lckBleGFtcGxlLm9yZz6IkAQTFggAOBYhBPMfP04LqqgYdztVwS3x
gVgcvH5/BQJlkgCAAhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJEC3xgVgc
vH5/QSMA/iYK+GPRhn41ik/X+OqR+kGTELlMGMEI6aIVfY1NPeopAQCovQr8bC6T
YCadY8IkgQnk6ZcUlNH4fT2o9lZiOUhKDA==
=pgvR
-----END PGP PUBLIC KEY BLOCK-----
', '["Recipebox test key (signer, guards nothing) <signer@example.org>"]', '["promote", "release"]', 'ed25519', 1704067200, NULL, FALSE, 1795475357, 'admin');
INSERT INTO token (id, public_id, secret_sha256, name, role, namespace, created, expires, revoked) VALUES (1, '3f2ae01241fe', 'a3f7f223738537b52be4ddf83917cb7952e4704b6df96d0b7264ef0353cb8b54', 'admin', 'admin', NULL, 1795475357, NULL, NULL);
INSERT INTO token (id, public_id, secret_sha256, name, role, namespace, created, expires, revoked) VALUES (2, '1a24f6354e93', 'e63de73ee73bf98f5f95d9c0862cd85d8877fdfbce5411f4895b5221ade65394', 'ci', 'reader', 'team', 1795475357, NULL, NULL);
INSERT INTO repository (id, namespace_id, name, kind, created, created_by) VALUES (1, 1, 'team/etl', 'package', 1795475357, 'publisher');
INSERT INTO repository (id, namespace_id, name, kind, created, created_by) VALUES (2, 2, 'open/etl', 'package', 1795475357, 'admin');
INSERT INTO repository (id, namespace_id, name, kind, created, created_by) VALUES (3, 1, 'team/app', 'application', 1795475357, 'promoter');
INSERT INTO repository (id, namespace_id, name, kind, created, created_by) VALUES (4, 2, 'open/tools', 'plain repository', 1795475357, 'admin');
INSERT INTO repository (id, namespace_id, name, kind, created, created_by) VALUES (5, 1, 'team/unfinished', 'new', 1795475357, 'admin');
INSERT INTO blob (id, digest, size, location, created) VALUES (1, 'sha256:d5edb7180290b49480359c017807b146e06803846a129b32370001f6cd2667bf', 522, 'sha256/d5/d5edb7180290b49480359c017807b146e06803846a129b32370001f6cd2667bf', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (2, 'sha256:be81e4c4798a106e4a09937ede456096c16667f73e3a5dd8546bc19bf3957c9d', 10263, 'sha256/be/be81e4c4798a106e4a09937ede456096c16667f73e3a5dd8546bc19bf3957c9d', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (3, 'sha256:08730dbe171252e61a96b3cc447d397daa788500cecaaabba27f990379f1ca82', 10263, 'sha256/08/08730dbe171252e61a96b3cc447d397daa788500cecaaabba27f990379f1ca82', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (4, 'sha256:117b7c38583a8cdef48c7e477ae2bb1517511df98845ea2f2de42eb6616581c3', 17, 'sha256/11/117b7c38583a8cdef48c7e477ae2bb1517511df98845ea2f2de42eb6616581c3', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (5, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', 2, 'sha256/44/44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (6, 'sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', 1043, 'sha256/a0/a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (7, 'sha256:986d181e6a7edd90daad158d1651b86c8ad5e87bef52a5151c13ad33cf034a93', 749, 'sha256/98/986d181e6a7edd90daad158d1651b86c8ad5e87bef52a5151c13ad33cf034a93', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (8, 'sha256:9accbec7a991df91ef2e035b3eb594d86bc97e32456e1ecad5bb52fdb7f9582c', 644, 'sha256/9a/9accbec7a991df91ef2e035b3eb594d86bc97e32456e1ecad5bb52fdb7f9582c', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (9, 'sha256:11ce8f1ac1870992873d8e5fb366b04ff6bf1d9b3ad5388bd15376fee4d7d563', 228, 'sha256/11/11ce8f1ac1870992873d8e5fb366b04ff6bf1d9b3ad5388bd15376fee4d7d563', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (10, 'sha256:a519ebbd90f00cf4337b54e57babe08b80c9c743a26f785e6b46341ac0563109', 784, 'sha256/a5/a519ebbd90f00cf4337b54e57babe08b80c9c743a26f785e6b46341ac0563109', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (11, 'sha256:b40b2f2a3fcd745ad392ca27290e85855fed38703425d60f3b8ca9d7bb4759d2', 452, 'sha256/b4/b40b2f2a3fcd745ad392ca27290e85855fed38703425d60f3b8ca9d7bb4759d2', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (12, 'sha256:ea0565d212c0407ce8ed01a74a22d9db421a3bbde9222d7c393fb16eaccc7977', 228, 'sha256/ea/ea0565d212c0407ce8ed01a74a22d9db421a3bbde9222d7c393fb16eaccc7977', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (13, 'sha256:e337d5b35295ede9f51a8069006e1bcb768b646d1f15ec6602b4193b71e69a51', 784, 'sha256/e3/e337d5b35295ede9f51a8069006e1bcb768b646d1f15ec6602b4193b71e69a51', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (14, 'sha256:2c9ab8a29d51cd31ffbfbee4f1eb870fd4b9a9c4c49e48b147134d8abb6ba0b2', 316, 'sha256/2c/2c9ab8a29d51cd31ffbfbee4f1eb870fd4b9a9c4c49e48b147134d8abb6ba0b2', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (15, 'sha256:b29e9c96f8d8b48eeeb7b6256a05e6eb12fc5ea1bbc1885be603974397d5bfb8', 10263, 'sha256/b2/b29e9c96f8d8b48eeeb7b6256a05e6eb12fc5ea1bbc1885be603974397d5bfb8', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (16, 'sha256:a4e6787b44e2a0602458ec06a1377d2f4995547285ba2192c776cb8cf8bc0dca', 10263, 'sha256/a4/a4e6787b44e2a0602458ec06a1377d2f4995547285ba2192c776cb8cf8bc0dca', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (17, 'sha256:f49f8894bb2d0c301f6d43726fa19f519121fc92289a6f7d5501d659f65dea9d', 1043, 'sha256/f4/f49f8894bb2d0c301f6d43726fa19f519121fc92289a6f7d5501d659f65dea9d', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (18, 'sha256:13c9f489f806cc5ff774a78e76d5db096df6a34b3c66fb5b248b77a073a1b195', 644, 'sha256/13/13c9f489f806cc5ff774a78e76d5db096df6a34b3c66fb5b248b77a073a1b195', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (19, 'sha256:b350738579058a92cd630f5f76d03e86db5b70d6c6db27836e781be5e6d21d24', 228, 'sha256/b3/b350738579058a92cd630f5f76d03e86db5b70d6c6db27836e781be5e6d21d24', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (20, 'sha256:ec31ae6d5bc360ace58868b5a9a9ec149e3bd1fa4a680243015c426d8d22a583', 784, 'sha256/ec/ec31ae6d5bc360ace58868b5a9a9ec149e3bd1fa4a680243015c426d8d22a583', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (21, 'sha256:c29a640dd3fb83feea419bb4f502a14dfc3cd7174f7dcaef21e7759874c156db', 452, 'sha256/c2/c29a640dd3fb83feea419bb4f502a14dfc3cd7174f7dcaef21e7759874c156db', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (22, 'sha256:eec2811eb75241a323cdf027c154297c2c16499978d4a82eae0fa99358d347b5', 228, 'sha256/ee/eec2811eb75241a323cdf027c154297c2c16499978d4a82eae0fa99358d347b5', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (23, 'sha256:558cd003512d35ba0903f018d53488bcee28c931df65b5dc54faa1efed1b711f', 784, 'sha256/55/558cd003512d35ba0903f018d53488bcee28c931df65b5dc54faa1efed1b711f', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (24, 'sha256:26e456672f2b84ab961d04572e34d4c0aad44f5c30ea8693c2bb348105b24e41', 540, 'sha256/26/26e456672f2b84ab961d04572e34d4c0aad44f5c30ea8693c2bb348105b24e41', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (25, 'sha256:3544f4aad0b71aff1648309636945998e80aafec801c0dfd404457c2c0b6f0fd', 504, 'sha256/35/3544f4aad0b71aff1648309636945998e80aafec801c0dfd404457c2c0b6f0fd', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (26, 'sha256:7fdb76c50835fc1b227d761e8f597e17a2bfb0e3612547980306c22e15e7f52b', 1178, 'sha256/7f/7fdb76c50835fc1b227d761e8f597e17a2bfb0e3612547980306c22e15e7f52b', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (27, 'sha256:f3106cc3d8d64b2672af3fdf5c341233f1ebce38df971233e3110a74946572ed', 275, 'sha256/f3/f3106cc3d8d64b2672af3fdf5c341233f1ebce38df971233e3110a74946572ed', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (28, 'sha256:0e948e19235751e6fb1fb76b5c39e5eef463549075741019d6c7177bad8c4b24', 228, 'sha256/0e/0e948e19235751e6fb1fb76b5c39e5eef463549075741019d6c7177bad8c4b24', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (29, 'sha256:6dccec1efcdf6ff6a9e93d8d46b933cae0ee96441ea22f858861656c71cbe326', 780, 'sha256/6d/6dccec1efcdf6ff6a9e93d8d46b933cae0ee96441ea22f858861656c71cbe326', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (30, 'sha256:c6dc3a5044fed55162be0ef0dadb363f8ce05aabf7c00564b6856a14fb53b946', 589, 'sha256/c6/c6dc3a5044fed55162be0ef0dadb363f8ce05aabf7c00564b6856a14fb53b946', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (31, 'sha256:6eb71c9fd3f8b293d4566cd7cebc5e4e3e5e71987c9d75080792067e4ff29841', 228, 'sha256/6e/6eb71c9fd3f8b293d4566cd7cebc5e4e3e5e71987c9d75080792067e4ff29841', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (32, 'sha256:3a73f5f4498f8cdb017ccee20845dcf71ab604158b5e56f2b0b175c15ba05a2f', 783, 'sha256/3a/3a73f5f4498f8cdb017ccee20845dcf71ab604158b5e56f2b0b175c15ba05a2f', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (33, 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824', 5, 'sha256/2c/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (34, 'sha256:e244f187f696561d5fd7e00f618e7ba641dc52e3c137380f6fa23a854b773aac', 5, 'sha256/e2/e244f187f696561d5fd7e00f618e7ba641dc52e3c137380f6fa23a854b773aac', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (35, 'sha256:e3980cbfd60f4a8bc6d2650d1e1537ce0e09ceb91975dabc7107ab735f2b3792', 548, 'sha256/e3/e3980cbfd60f4a8bc6d2650d1e1537ce0e09ceb91975dabc7107ab735f2b3792', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (36, 'sha256:b4c9e14061c2fd453b36700e3b0da008db2189c711ac629f0f583089164e267d', 5, 'sha256/b4/b4c9e14061c2fd453b36700e3b0da008db2189c711ac629f0f583089164e267d', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (37, 'sha256:a664a2bf1bf5ea70bfebc09c49fdbcb04b02ffc9f6acc222cecaba07936d5a16', 548, 'sha256/a6/a664a2bf1bf5ea70bfebc09c49fdbcb04b02ffc9f6acc222cecaba07936d5a16', 1795475357);
INSERT INTO blob (id, digest, size, location, created) VALUES (38, 'sha256:d079014229a352ddef5fad2c580243e7ff40f5b2c86935eace9b15fa40695cc4', 11, 'sha256/d0/d079014229a352ddef5fad2c580243e7ff40f5b2c86935eace9b15fa40695cc4', 1795475357);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (1, 1, 1);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (2, 1, 2);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (3, 1, 3);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (4, 1, 4);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (5, 1, 5);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (6, 1, 8);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (7, 1, 9);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (8, 1, 11);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (9, 1, 12);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (10, 2, 14);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (11, 2, 15);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (12, 2, 16);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (13, 2, 5);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (14, 2, 18);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (15, 2, 19);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (16, 2, 21);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (17, 2, 22);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (18, 3, 5);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (19, 3, 24);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (20, 3, 1);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (21, 3, 2);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (22, 3, 3);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (23, 3, 4);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (24, 3, 8);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (25, 3, 9);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (26, 3, 11);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (27, 3, 12);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (28, 3, 27);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (29, 3, 28);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (30, 3, 30);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (31, 3, 31);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (32, 4, 5);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (33, 4, 33);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (34, 4, 34);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (35, 4, 36);
INSERT INTO repository_blob (id, repository_id, blob_id) VALUES (36, 4, 38);
INSERT INTO upload (id, upload_id, repository_id, started, started_by) VALUES (1, 'd73f3c8e3dfaccd7a8c665fe7f358a87', 5, 1795475357, 'admin');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (1, 1, 6, 'sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.package.v1', 'application/vnd.recipebox.package.v1', NULL, 1043, '{"org.opencontainers.image.description": "Moves numbers", "org.opencontainers.image.licenses": "MIT", "org.opencontainers.image.title": "team/etl", "org.opencontainers.image.version": "1.0.0"}', FALSE, 1795475357, 'publisher');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (2, 1, 7, 'sha256:986d181e6a7edd90daad158d1651b86c8ad5e87bef52a5151c13ad33cf034a93', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.wheelset.v1', 'application/vnd.recipebox.wheelset.v1', 'sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', 749, '{"io.recipebox.platform": "linux/amd64"}', FALSE, 1795475357, 'publisher');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (3, 1, 10, 'sha256:a519ebbd90f00cf4337b54e57babe08b80c9c743a26f785e6b46341ac0563109', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.statement.v1', 'application/vnd.recipebox.statement.v1', 'sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', 784, '{"io.recipebox.statement": "release"}', FALSE, 1795475357, 'publisher');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (4, 1, 13, 'sha256:e337d5b35295ede9f51a8069006e1bcb768b646d1f15ec6602b4193b71e69a51', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.statement.v1', 'application/vnd.recipebox.statement.v1', 'sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', 784, '{"io.recipebox.statement": "receipt"}', FALSE, 1795475357, 'publisher');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (5, 2, 17, 'sha256:f49f8894bb2d0c301f6d43726fa19f519121fc92289a6f7d5501d659f65dea9d', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.package.v1', 'application/vnd.recipebox.package.v1', NULL, 1043, '{"org.opencontainers.image.description": "Moves numbers", "org.opencontainers.image.licenses": "MIT", "org.opencontainers.image.title": "open/etl", "org.opencontainers.image.version": "2.0.0"}', FALSE, 1795475357, 'admin');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (6, 2, 20, 'sha256:ec31ae6d5bc360ace58868b5a9a9ec149e3bd1fa4a680243015c426d8d22a583', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.statement.v1', 'application/vnd.recipebox.statement.v1', 'sha256:f49f8894bb2d0c301f6d43726fa19f519121fc92289a6f7d5501d659f65dea9d', 784, '{"io.recipebox.statement": "release"}', FALSE, 1795475357, 'admin');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (7, 2, 23, 'sha256:558cd003512d35ba0903f018d53488bcee28c931df65b5dc54faa1efed1b711f', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.statement.v1', 'application/vnd.recipebox.statement.v1', 'sha256:f49f8894bb2d0c301f6d43726fa19f519121fc92289a6f7d5501d659f65dea9d', 784, '{"io.recipebox.statement": "receipt"}', FALSE, 1795475357, 'admin');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (8, 3, 25, 'sha256:3544f4aad0b71aff1648309636945998e80aafec801c0dfd404457c2c0b6f0fd', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.lock.v1', 'application/vnd.recipebox.lock.v1', NULL, 504, '{}', FALSE, 1795475357, 'promoter');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (9, 3, 6, 'sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.package.v1', 'application/vnd.recipebox.package.v1', NULL, 1043, '{"org.opencontainers.image.description": "Moves numbers", "org.opencontainers.image.licenses": "MIT", "org.opencontainers.image.title": "team/etl", "org.opencontainers.image.version": "1.0.0"}', FALSE, 1795475357, 'promoter');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (10, 3, 7, 'sha256:986d181e6a7edd90daad158d1651b86c8ad5e87bef52a5151c13ad33cf034a93', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.wheelset.v1', 'application/vnd.recipebox.wheelset.v1', 'sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', 749, '{"io.recipebox.platform": "linux/amd64"}', FALSE, 1795475357, 'promoter');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (11, 3, 10, 'sha256:a519ebbd90f00cf4337b54e57babe08b80c9c743a26f785e6b46341ac0563109', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.statement.v1', 'application/vnd.recipebox.statement.v1', 'sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', 784, '{"io.recipebox.statement": "release"}', FALSE, 1795475357, 'promoter');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (12, 3, 13, 'sha256:e337d5b35295ede9f51a8069006e1bcb768b646d1f15ec6602b4193b71e69a51', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.statement.v1', 'application/vnd.recipebox.statement.v1', 'sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', 784, '{"io.recipebox.statement": "receipt"}', FALSE, 1795475357, 'promoter');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (13, 3, 26, 'sha256:7fdb76c50835fc1b227d761e8f597e17a2bfb0e3612547980306c22e15e7f52b', 'application/vnd.oci.image.index.v1+json', 'application/vnd.recipebox.bundle.v1', 'application/vnd.recipebox.bundle.v1', NULL, 1178, '{}', FALSE, 1795475357, 'promoter');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (14, 3, 29, 'sha256:6dccec1efcdf6ff6a9e93d8d46b933cae0ee96441ea22f858861656c71cbe326', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.statement.v1', 'application/vnd.recipebox.statement.v1', 'sha256:7fdb76c50835fc1b227d761e8f597e17a2bfb0e3612547980306c22e15e7f52b', 780, '{"io.recipebox.statement": "bundle"}', FALSE, 1795475357, 'promoter');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (15, 3, 32, 'sha256:3a73f5f4498f8cdb017ccee20845dcf71ab604158b5e56f2b0b175c15ba05a2f', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.recipebox.statement.v1', 'application/vnd.recipebox.statement.v1', 'sha256:7fdb76c50835fc1b227d761e8f597e17a2bfb0e3612547980306c22e15e7f52b', 783, '{"io.recipebox.statement": "promotion"}', FALSE, 1795475357, 'promoter');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (16, 4, 35, 'sha256:e3980cbfd60f4a8bc6d2650d1e1537ce0e09ceb91975dabc7107ab735f2b3792', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.example.v1', 'application/vnd.example.v1', NULL, 548, '{}', FALSE, 1795475357, 'admin');
INSERT INTO manifest (id, repository_id, blob_id, digest, media_type, artifact_type, kind, subject, size, annotations, is_staged, created, created_by) VALUES (17, 4, 37, 'sha256:a664a2bf1bf5ea70bfebc09c49fdbcb04b02ffc9f6acc222cecaba07936d5a16', 'application/vnd.oci.image.manifest.v1+json', 'application/vnd.example.v1', 'application/vnd.example.v1', NULL, 548, '{}', FALSE, 1795475357, 'admin');
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (1, 1, 'sha256:d5edb7180290b49480359c017807b146e06803846a129b32370001f6cd2667bf', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (2, 1, 'sha256:be81e4c4798a106e4a09937ede456096c16667f73e3a5dd8546bc19bf3957c9d', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (3, 1, 'sha256:08730dbe171252e61a96b3cc447d397daa788500cecaaabba27f990379f1ca82', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (4, 2, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (5, 2, 'sha256:117b7c38583a8cdef48c7e477ae2bb1517511df98845ea2f2de42eb6616581c3', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (6, 3, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (7, 3, 'sha256:9accbec7a991df91ef2e035b3eb594d86bc97e32456e1ecad5bb52fdb7f9582c', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (8, 3, 'sha256:11ce8f1ac1870992873d8e5fb366b04ff6bf1d9b3ad5388bd15376fee4d7d563', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (9, 4, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (10, 4, 'sha256:b40b2f2a3fcd745ad392ca27290e85855fed38703425d60f3b8ca9d7bb4759d2', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (11, 4, 'sha256:ea0565d212c0407ce8ed01a74a22d9db421a3bbde9222d7c393fb16eaccc7977', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (12, 5, 'sha256:2c9ab8a29d51cd31ffbfbee4f1eb870fd4b9a9c4c49e48b147134d8abb6ba0b2', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (13, 5, 'sha256:b29e9c96f8d8b48eeeb7b6256a05e6eb12fc5ea1bbc1885be603974397d5bfb8', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (14, 5, 'sha256:a4e6787b44e2a0602458ec06a1377d2f4995547285ba2192c776cb8cf8bc0dca', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (15, 6, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (16, 6, 'sha256:13c9f489f806cc5ff774a78e76d5db096df6a34b3c66fb5b248b77a073a1b195', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (17, 6, 'sha256:b350738579058a92cd630f5f76d03e86db5b70d6c6db27836e781be5e6d21d24', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (18, 7, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (19, 7, 'sha256:c29a640dd3fb83feea419bb4f502a14dfc3cd7174f7dcaef21e7759874c156db', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (20, 7, 'sha256:eec2811eb75241a323cdf027c154297c2c16499978d4a82eae0fa99358d347b5', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (21, 8, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (22, 8, 'sha256:26e456672f2b84ab961d04572e34d4c0aad44f5c30ea8693c2bb348105b24e41', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (23, 9, 'sha256:d5edb7180290b49480359c017807b146e06803846a129b32370001f6cd2667bf', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (24, 9, 'sha256:be81e4c4798a106e4a09937ede456096c16667f73e3a5dd8546bc19bf3957c9d', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (25, 9, 'sha256:08730dbe171252e61a96b3cc447d397daa788500cecaaabba27f990379f1ca82', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (26, 10, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (27, 10, 'sha256:117b7c38583a8cdef48c7e477ae2bb1517511df98845ea2f2de42eb6616581c3', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (28, 11, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (29, 11, 'sha256:9accbec7a991df91ef2e035b3eb594d86bc97e32456e1ecad5bb52fdb7f9582c', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (30, 11, 'sha256:11ce8f1ac1870992873d8e5fb366b04ff6bf1d9b3ad5388bd15376fee4d7d563', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (31, 12, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (32, 12, 'sha256:b40b2f2a3fcd745ad392ca27290e85855fed38703425d60f3b8ca9d7bb4759d2', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (33, 12, 'sha256:ea0565d212c0407ce8ed01a74a22d9db421a3bbde9222d7c393fb16eaccc7977', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (34, 13, 'sha256:3544f4aad0b71aff1648309636945998e80aafec801c0dfd404457c2c0b6f0fd', TRUE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (35, 13, 'sha256:986d181e6a7edd90daad158d1651b86c8ad5e87bef52a5151c13ad33cf034a93', TRUE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (36, 13, 'sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', TRUE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (37, 13, 'sha256:a519ebbd90f00cf4337b54e57babe08b80c9c743a26f785e6b46341ac0563109', TRUE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (38, 13, 'sha256:e337d5b35295ede9f51a8069006e1bcb768b646d1f15ec6602b4193b71e69a51', TRUE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (39, 14, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (40, 14, 'sha256:f3106cc3d8d64b2672af3fdf5c341233f1ebce38df971233e3110a74946572ed', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (41, 14, 'sha256:0e948e19235751e6fb1fb76b5c39e5eef463549075741019d6c7177bad8c4b24', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (42, 15, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (43, 15, 'sha256:c6dc3a5044fed55162be0ef0dadb363f8ce05aabf7c00564b6856a14fb53b946', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (44, 15, 'sha256:6eb71c9fd3f8b293d4566cd7cebc5e4e3e5e71987c9d75080792067e4ff29841', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (45, 16, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (46, 16, 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (47, 16, 'sha256:e244f187f696561d5fd7e00f618e7ba641dc52e3c137380f6fa23a854b773aac', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (48, 17, 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (49, 17, 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824', FALSE);
INSERT INTO manifest_part (id, manifest_id, digest, is_manifest) VALUES (50, 17, 'sha256:b4c9e14061c2fd453b36700e3b0da008db2189c711ac629f0f583089164e267d', FALSE);
INSERT INTO tag (id, repository_id, name, manifest_id, is_server_owned, changed) VALUES (1, 1, '1.0.0', 1, TRUE, 1795475357);
INSERT INTO tag (id, repository_id, name, manifest_id, is_server_owned, changed) VALUES (2, 2, '2.0.0', 5, TRUE, 1795475357);
INSERT INTO tag (id, repository_id, name, manifest_id, is_server_owned, changed) VALUES (3, 3, 'dev', 13, TRUE, 1795475357);
INSERT INTO tag (id, repository_id, name, manifest_id, is_server_owned, changed) VALUES (4, 4, 'v1', 17, FALSE, 1795475357);
INSERT INTO release (id, repository_id, version, manifest_id, revision, summary, metadata, platforms, signers, receipt, published, published_by) VALUES (1, 1, '1.0.0', 1, 1, 'Moves numbers', '{"authors":[],"entry":{"module":null,"runner":"bundled"},"license":"MIT","name":"team/etl","python":">=3.11","readme":null,"requires":{},"schema_version":1,"steps":[{"args":{},"function":"A","idx":1,"module":"steps.a","name":"a","success":{},"type":"python"}],"summary":"Moves numbers","version":"1.0.0","wheels":[{"filename":"w117b7c38-1.0-py3-none-linux_amd64.whl","name":"w117b7c38","sha256":"117b7c38583a8cdef48c7e477ae2bb1517511df98845ea2f2de42eb6616581c3","size":17,"tags":["py3-none-linux_amd64"],"version":"1.0"}]}', '{"linux/amd64": {"digest": "sha256:986d181e6a7edd90daad158d1651b86c8ad5e87bef52a5151c13ad33cf034a93", "size": 749}}', '["F31F3F4E0BAAA818773B55C12DF181581CBC7E7F"]', 'sha256:e337d5b35295ede9f51a8069006e1bcb768b646d1f15ec6602b4193b71e69a51', 1795475357, 'publisher');
INSERT INTO release (id, repository_id, version, manifest_id, revision, summary, metadata, platforms, signers, receipt, published, published_by) VALUES (2, 2, '2.0.0', 5, 2, 'Moves numbers', '{"authors":[],"entry":{"module":null,"runner":"bundled"},"license":"MIT","name":"open/etl","python":">=3.11","readme":null,"requires":{},"schema_version":1,"steps":[{"args":{},"function":"A","idx":1,"module":"steps.a","name":"a","success":{},"type":"python"}],"summary":"Moves numbers","version":"2.0.0","wheels":[]}', '{}', '["F31F3F4E0BAAA818773B55C12DF181581CBC7E7F"]', 'sha256:558cd003512d35ba0903f018d53488bcee28c931df65b5dc54faa1efed1b711f', 1795475357, 'admin');
INSERT INTO yank (id, release_id, revision, is_yanked, reason, at, by) VALUES (1, 2, 3, TRUE, 'it is 100 % wrong', 1795475357, 'admin');
INSERT INTO bundle (id, repository_id, manifest_id, packages, created, created_by) VALUES (1, 3, 13, '{"team/etl": "1.0.0"}', 1795475357, 'promoter');
INSERT INTO bundle_release (id, bundle_id, release_id) VALUES (1, 1, 1);
INSERT INTO channel (id, repository_id, name, position, bundle_id) VALUES (1, 3, 'dev', 0, 1);
INSERT INTO channel (id, repository_id, name, position, bundle_id) VALUES (2, 3, 'staging', 1, NULL);
INSERT INTO channel (id, repository_id, name, position, bundle_id) VALUES (3, 3, 'production', 2, NULL);
INSERT INTO promotion (id, channel_id, bundle_id, record, came_from, previous, previous_bundle, evidence, asked_by, role, proof, at) VALUES (1, 1, 1, 'sha256:3a73f5f4498f8cdb017ccee20845dcf71ab604158b5e56f2b0b175c15ba05a2f', NULL, NULL, NULL, '["sha256:6dccec1efcdf6ff6a9e93d8d46b933cae0ee96441ea22f858861656c71cbe326"]', 'promoter', 'promoter', 'token', 1795475357);
INSERT INTO index_state (id, revision) VALUES (1, 3);
INSERT INTO event (id, kind, payload, at) VALUES (1, 'release.listed', '{"digest": "sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f", "package": "team/etl", "revision": 1, "version": "1.0.0"}', 1795475357);
INSERT INTO event (id, kind, payload, at) VALUES (2, 'release.listed', '{"digest": "sha256:f49f8894bb2d0c301f6d43726fa19f519121fc92289a6f7d5501d659f65dea9d", "package": "open/etl", "revision": 2, "version": "2.0.0"}', 1795475357);
INSERT INTO event (id, kind, payload, at) VALUES (3, 'release.yanked', '{"package": "open/etl", "revision": 3, "version": "2.0.0"}', 1795475357);
INSERT INTO event (id, kind, payload, at) VALUES (4, 'bundle.created', '{"application": "team/app", "digest": "sha256:7fdb76c50835fc1b227d761e8f597e17a2bfb0e3612547980306c22e15e7f52b"}', 1795475357);
INSERT INTO event (id, kind, payload, at) VALUES (5, 'channel.promoted', '{"application": "team/app", "bundle": "sha256:7fdb76c50835fc1b227d761e8f597e17a2bfb0e3612547980306c22e15e7f52b", "channel": "dev", "previous_bundle": null, "record": "sha256:3a73f5f4498f8cdb017ccee20845dcf71ab604158b5e56f2b0b175c15ba05a2f"}', 1795475357);
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (1, 1795475357, 'operator', '', 'none', 'token.create', '3f2ae01241fe', '{"name": "admin", "role": "admin"}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (2, 1795475357, 'admin', 'admin', 'token', 'namespace.create', 'team', '{"public": false}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (3, 1795475357, 'admin', 'admin', 'token', 'namespace.add_key', 'team', '{"fingerprint": "F31F3F4E0BAAA818773B55C12DF181581CBC7E7F"}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (4, 1795475357, 'admin', 'admin', 'token', 'namespace.create', 'open', '{"public": true}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (5, 1795475357, 'admin', 'admin', 'token', 'namespace.add_key', 'open', '{"fingerprint": "F31F3F4E0BAAA818773B55C12DF181581CBC7E7F"}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (6, 1795475357, 'publisher', 'publisher', 'token', 'repository.create', 'team/etl', '{}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (7, 1795475357, 'publisher', 'publisher', 'token', 'manifest.put', 'team/etl@sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f', '{"tags": []}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (8, 1795475357, 'publisher', 'publisher', 'token', 'manifest.put', 'team/etl@sha256:986d181e6a7edd90daad158d1651b86c8ad5e87bef52a5151c13ad33cf034a93', '{"tags": []}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (9, 1795475357, 'publisher', 'publisher', 'token', 'manifest.put', 'team/etl@sha256:a519ebbd90f00cf4337b54e57babe08b80c9c743a26f785e6b46341ac0563109', '{"tags": []}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (10, 1795475357, 'publisher', 'publisher', 'token', 'release.admit', 'team/etl@1.0.0', '{"digest": "sha256:a006856ce0e3a277b2b4d7959457a2f0a9957b6c806f90bc77a0d3ef4e58f17f", "revision": 1, "signers": ["F31F3F4E0BAAA818773B55C12DF181581CBC7E7F"]}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (11, 1795475357, 'admin', 'admin', 'token', 'repository.create', 'open/etl', '{}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (12, 1795475357, 'admin', 'admin', 'token', 'manifest.put', 'open/etl@sha256:f49f8894bb2d0c301f6d43726fa19f519121fc92289a6f7d5501d659f65dea9d', '{"tags": []}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (13, 1795475357, 'admin', 'admin', 'token', 'manifest.put', 'open/etl@sha256:ec31ae6d5bc360ace58868b5a9a9ec149e3bd1fa4a680243015c426d8d22a583', '{"tags": []}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (14, 1795475357, 'admin', 'admin', 'token', 'release.admit', 'open/etl@2.0.0', '{"digest": "sha256:f49f8894bb2d0c301f6d43726fa19f519121fc92289a6f7d5501d659f65dea9d", "revision": 2, "signers": ["F31F3F4E0BAAA818773B55C12DF181581CBC7E7F"]}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (15, 1795475357, 'admin', 'admin', 'token', 'release.yank', 'open/etl@2.0.0', '{"reason": "it is 100 % wrong"}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (16, 1795475357, 'promoter', 'promoter', 'token', 'repository.create', 'team/app', '{}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (17, 1795475357, 'promoter', 'promoter', 'token', 'bundle.create', 'team/app@sha256:7fdb76c50835fc1b227d761e8f597e17a2bfb0e3612547980306c22e15e7f52b', '{}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (18, 1795475357, 'promoter', 'promoter', 'token', 'manifest.put', 'team/app@sha256:6dccec1efcdf6ff6a9e93d8d46b933cae0ee96441ea22f858861656c71cbe326', '{"tags": []}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (19, 1795475357, 'promoter', 'promoter', 'token', 'channel.promote', 'team/app:dev', '{"application": "team/app", "bundle": "sha256:7fdb76c50835fc1b227d761e8f597e17a2bfb0e3612547980306c22e15e7f52b", "channel": "dev", "previous_bundle": null}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (20, 1795475357, 'admin', 'admin', 'token', 'repository.create', 'open/tools', '{}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (21, 1795475357, 'admin', 'admin', 'token', 'manifest.put', 'open/tools@sha256:e3980cbfd60f4a8bc6d2650d1e1537ce0e09ceb91975dabc7107ab735f2b3792', '{"tags": ["v1"]}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (22, 1795475357, 'admin', 'admin', 'token', 'manifest.put', 'open/tools@sha256:a664a2bf1bf5ea70bfebc09c49fdbcb04b02ffc9f6acc222cecaba07936d5a16', '{"tags": ["v1"]}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (23, 1795475357, 'admin', 'admin', 'token', 'repository.create', 'team/unfinished', '{}');
INSERT INTO audit_entry (id, at, actor, role, proof, action, target, detail) VALUES (24, 1795475357, 'operator', '', 'none', 'token.create', '1a24f6354e93', '{"name": "ci", "role": "reader"}');
